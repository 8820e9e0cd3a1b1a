import Testing

@testable import GameDay

private let here = Place(address: "10.0.0.1", port: 3306)
private let elsewhere = Place(address: "10.0.0.2", port: 3306)

@Test func `nothing is sent to a place that is the primary's no more`() async {
    let state = LoadState()
    state.move(to: elsewhere)
    let answer = await state.calling(here, 1) {
        Issue.record("it was sent")
        return true
    }
    #expect(answer == nil)
    #expect(await state.calling(elsewhere, 1) { true } == true)
}

@Test(.timeLimit(.minutes(1))) func `who waits for the former primary is told as soon as another one is known`() async {
    let state = LoadState()
    state.move(to: here)
    let wasLeft = await state.calling(here, 1) {
        state.move(to: elsewhere)
        while !Task.isCancelled { await Task.yield() }
        return true
    }
    #expect(wasLeft == true)
    #expect(state.primary == elsewhere)
}
