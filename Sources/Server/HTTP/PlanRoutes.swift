import ControlAPI
import Hummingbird

/// `POST /api/v1/plan`.
struct PlanRoutes: Sendable {
    let control: ControlPlane
    func add(to router: Router<APIContext>) {}
}
