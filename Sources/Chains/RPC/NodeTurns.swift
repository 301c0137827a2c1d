import Synchronization

/// Several nodes, each of which is asked one thing at a time: whoever asks again and again asks
/// those that have answered, so what is under way does not pile up at one that is slow.
///
/// One that takes much longer than it last did may have lost the question. Where too few others
/// have answered lately, it is asked anew beside it; there is an end to that too.
public final class NodeTurns<Node: Sendable>: Sendable {
    /// So many questions are under way at one node at most.
    public static var mostAtOnce: Int { 3 }

    /// What is known of a node.
    private struct Turn {
        /// What is under way there: the numbers of the questions, and since when, in order.
        var open: [(number: Int, since: ContinuousClock.Instant)] = []
        /// How long it took for the last answer.
        var took = Duration.zero
        /// Whether it had no answer to the last question that is over.
        var isOut = false
    }

    private struct Turns {
        var all: [Turn]
        /// How often was asked, and the last time that enough have answered.
        var asked = 0
        var answered = 0
        /// Whether somebody asked in vain since.
        var isWanted = false
    }

    private let nodes: [Node]
    private let needed: Int
    private let patience: Duration
    private let turns: Mutex<Turns>

    /// These nodes, of which so many must be asked together.
    ///
    /// - Parameter patience: after how long without an answer a node is asked anew, at least.
    public init(_ nodes: [Node], needed: Int, patience: Duration = .seconds(1)) {
        self.nodes = nodes
        self.needed = needed
        self.patience = patience
        turns = Mutex(Turns(all: nodes.map { _ in Turn() }))
    }

    /// How many questions are under way at each node.
    public var open: [Int] { turns.withLock { $0.all.map(\.open.count) } }

    /// What each node that is asked answers, in no order; `nil` is a node that does not. `nil`, and
    /// nobody is asked, while too few may be: what was asked before is answered first, and whoever
    /// asked that is told to ask again. `nil` too if enough have answered what was asked later: it
    /// is old news.
    public func answers<Answer: Sendable>(
        _ call: @escaping @Sendable (Node) async -> Answer?
    ) async -> (given: [Answer?]?, isWantedAgain: Bool) {
        guard let (places, number) = ask() else { return (nil, false) }
        let answers = await withTaskGroup(of: Answer?.self) { group in
            for place in places {
                group.addTask {
                    let answer = await call(self.nodes[place])
                    self.end(number, at: place, isAnswered: answer != nil)
                    return answer
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return turns.withLock { turns in
            defer {
                if answers.count(where: { $0 != nil }) >= needed {
                    turns.answered = max(turns.answered, number)
                }
                turns.isWanted = false
            }
            return (number > turns.answered ? answers : nil, turns.isWanted)
        }
    }

    private func end(_ number: Int, at place: Int, isAnswered: Bool) {
        turns.withLock { turns in
            let open = turns.all[place].open
            if isAnswered, let question = open.first(where: { $0.number == number }) {
                turns.all[place].took = question.since.duration(to: .now)
            }
            turns.all[place].open = open.filter { $0.number != number }
            turns.all[place].isOut = !isAnswered
        }
    }

    /// Whom to ask now, and the number of the question; `nil` if too few may be asked, or too few
    /// of them would answer as long as others may that are being asked.
    private func ask() -> (places: [Int], number: Int)? {
        turns.withLock { turns in
            let now = ContinuousClock.now
            let idle = turns.all.indices.filter { turns.all[$0].open.isEmpty }
            var places = idle
            var hopeful = idle.count { !turns.all[$0].isOut }
            if hopeful < needed {
                let anew = turns.all.indices.filter { isDue(turns.all[$0], at: now) }
                places += anew
                hopeful += anew.count { !turns.all[$0].isOut }
            }
            let isHopeless = hopeful < needed && hopeful < turns.all.count { !$0.isOut }
            guard places.count >= needed, !isHopeless else {
                turns.isWanted = true
                return nil
            }
            turns.asked += 1
            for place in places { turns.all[place].open.append((turns.asked, now)) }
            return (places, turns.asked)
        }
    }

    /// Whether a node that is being asked is to be asked anew.
    private func isDue(_ turn: Turn, at now: ContinuousClock.Instant) -> Bool {
        guard turn.open.count < Self.mostAtOnce, let last = turn.open.last else { return false }
        return last.since.duration(to: now) >= max(patience, turn.took * 2)
    }
}
