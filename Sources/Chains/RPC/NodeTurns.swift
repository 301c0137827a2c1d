import Synchronization

/// Several nodes, each of which is asked one thing at a time: whoever asks again and again asks
/// those that have answered, so what is under way does not pile up at one that is slow.
final class NodeTurns<Node: Sendable>: Sendable {
    private struct Turns {
        var isBusy: [Bool]
        /// How often was asked, and the last time that was answered.
        var asked = 0
        var answered = 0
        /// Whether somebody asked in vain since.
        var isWanted = false
    }

    private let nodes: [Node]
    private let needed: Int
    private let turns: Mutex<Turns>

    /// These nodes, of which so many must be free to be asked.
    init(_ nodes: [Node], needed: Int) {
        self.nodes = nodes
        self.needed = needed
        turns = Mutex(Turns(isBusy: nodes.map { _ in false }))
    }

    /// What each node that is free answers, in no order. `nil`, and nobody is asked, while too few
    /// are free: what was asked before is answered first, and whoever asked that is told to ask
    /// again. `nil` too if what was asked later has been answered meanwhile: it is old news.
    func answers<Answer: Sendable>(
        _ call: @escaping @Sendable (Node) async -> Answer
    ) async -> (given: [Answer]?, isWantedAgain: Bool) {
        let (free, number) = turns.withLock { turns -> ([Int], Int) in
            let free = turns.isBusy.indices.filter { !turns.isBusy[$0] }
            guard free.count >= needed else {
                turns.isWanted = true
                return ([], 0)
            }
            for place in free { turns.isBusy[place] = true }
            turns.asked += 1
            return (free, turns.asked)
        }
        if free.isEmpty { return (nil, false) }
        let answers = await withTaskGroup(of: Answer.self) { group in
            for place in free {
                group.addTask {
                    let answer = await call(self.nodes[place])
                    self.turns.withLock { $0.isBusy[place] = false }
                    return answer
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return turns.withLock { turns in
            defer {
                turns.answered = max(turns.answered, number)
                turns.isWanted = false
            }
            return (number > turns.answered ? answers : nil, turns.isWanted)
        }
    }
}
