import Chains
import Synchronization
import Testing

/// Who is asked while others have not answered.
@Suite(.timeLimit(.minutes(5))) struct NodeTurnsTests {
    /// Nodes that answer at once, not at all, or when they are let go on.
    private final class Desk: Sendable {
        private struct State {
            var held: Set<Int> = []
            var out: Set<Int> = []
            var asked: [Int] = []
            var waiting: [Int: [CheckedContinuation<Void, Never>]] = [:]
        }
        private let state = Mutex(State())

        func hold(_ node: Int) { state.withLock { _ = $0.held.insert(node) } }
        func end(_ node: Int) { state.withLock { _ = $0.out.insert(node) } }

        func release(_ node: Int) {
            let waiting = state.withLock { state in
                state.held.remove(node)
                return state.waiting.removeValue(forKey: node) ?? []
            }
            for one in waiting { one.resume() }
        }

        /// How often a node was asked.
        func asked(_ node: Int) -> Int { state.withLock { $0.asked.count { $0 == node } } }

        func answer(_ node: Int) async -> Int? {
            await withCheckedContinuation { continuation in
                let isHeld = state.withLock { state in
                    state.asked.append(node)
                    guard state.held.contains(node) else { return false }
                    state.waiting[node, default: []].append(continuation)
                    return true
                }
                if !isHeld { continuation.resume() }
            }
            return state.withLock { $0.out.contains(node) ? nil : node }
        }
    }

    private let desk = Desk()

    private func turns(_ count: Int, _ patience: Duration) -> NodeTurns<Int> {
        NodeTurns(Array(0..<count), needed: 2, patience: patience)
    }

    private func look(_ turns: NodeTurns<Int>) async -> (given: [Int?]?, isWantedAgain: Bool) {
        await turns.answers { [desk] in await desk.answer($0) }
    }

    /// A question that waits for a node that is held alone.
    private func begin(
        _ turns: NodeTurns<Int>, _ node: Int
    ) async throws -> Task<(given: [Int?]?, isWantedAgain: Bool), Never> {
        let before = desk.asked(node)
        let task = Task { await look(turns) }
        while true {
            let isAsked = desk.asked(node) > before
            let open = turns.open
            if isAsked, open.reduce(0, +) == open[node] { return task }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    @Test func whoIsSlowIsNotWaitedForAndItsNewsIsOld() async throws {
        let turns = turns(3, .zero)
        desk.hold(0)
        let first = try await begin(turns, 0)
        for _ in 0..<5 {
            let (given, isWantedAgain) = await look(turns)
            #expect(Set(given ?? []) == [1, 2] && !isWantedAgain)
        }
        #expect(desk.asked(0) == 1)
        desk.release(0)
        let (given, isWantedAgain) = await first.value
        #expect(given == nil && !isWantedAgain)
        #expect(Set(await look(turns).given ?? []) == [0, 1, 2])
    }

    @Test func tooFewAreNotAskedAndThatIsSaid() async throws {
        let turns = turns(2, .seconds(1_000_000))
        desk.hold(0)
        let first = try await begin(turns, 0)
        let (given, isWantedAgain) = await look(turns)
        #expect(given == nil && !isWantedAgain)
        #expect(desk.asked(0) == 1 && desk.asked(1) == 1)
        desk.release(0)
        let (late, isWantedLate) = await first.value
        #expect(Set(late ?? []) == [0, 1] && isWantedLate)
    }

    /// Who has lost a question is asked anew where it is needed, and not for ever.
    @Test func whoIsNeededIsAskedAnew() async throws {
        let turns = turns(3, .zero)
        desk.end(2)
        desk.hold(0)
        var tasks = [try await begin(turns, 0)]
        for _ in 1..<NodeTurns<Int>.mostAtOnce { tasks.append(try await begin(turns, 0)) }
        #expect(desk.asked(0) == NodeTurns<Int>.mostAtOnce)
        // The other two would not be enough, and what is under way may be.
        #expect(await look(turns).given == nil)
        #expect(desk.asked(0) == NodeTurns<Int>.mostAtOnce)
        #expect(desk.asked(1) == NodeTurns<Int>.mostAtOnce)
        desk.release(0)
        var given: [Set<Int?>] = []
        for task in tasks { if let one = await task.value.given { given.append(Set(one)) } }
        #expect(!given.isEmpty && given.allSatisfy { $0.contains(0) })
        #expect(Set(await look(turns).given ?? []) == [0, 1, nil])
        // When all that answered are out, all are asked.
        for node in 0..<2 { desk.end(node) }
        for _ in 0..<3 { #expect(await look(turns).given == [nil, nil, nil]) }
    }
}
