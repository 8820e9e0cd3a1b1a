import FleetModel

/// Passwords of the model world.
enum Secrets {
    static func password(_ reference: SecretReference) -> String { "secret of \(reference)" }
    /// Stands for what the engine stores.
    static func authentication(_ password: String) -> String { "*" + String(SHA256.hex(password).prefix(40)).uppercased() }
}
