/// Puts an automaton together from fragments that lead from one state to another.
struct AutomatonBuilder {
    typealias State = Automaton.State

    private(set) var states: [Automaton.Moves] = []
    /// States between the characters of texts whose length is limited.
    var counted: [State: Automaton.Count] = [:]
    /// The state between the characters of such a text without a limit.
    var uncounted: State?
    /// Subroutines that were asked for, by name.
    private var routines: [String: State] = [:]

    /// The automaton that starts here.
    ///
    /// - Throws: `impossible`.
    func automaton(start: State) throws(SchemaError) -> Automaton {
        try Automaton(states, start: start, counted: counted, uncounted: uncounted)
    }

    /// A new state in which nothing can happen yet.
    mutating func state() throws(SchemaError) -> State {
        guard states.count < Automaton.maximumStates else {
            throw SchemaError(.tooComplex, "more than \(Automaton.maximumStates) states")
        }
        states.append(Automaton.Moves())
        return State(states.count - 1)
    }

    mutating func read(_ low: UInt8, _ high: UInt8, from: State, to: State) {
        states[Int(from)].reads.append(Automaton.Read(low: low, high: high, target: to))
    }

    mutating func read(_ bytes: [ClosedRange<UInt8>], from: State, to: State) {
        for range in bytes { read(range.lowerBound, range.upperBound, from: from, to: to) }
    }

    mutating func jump(from: State, to: State) { states[Int(from)].jumps.append(to) }

    mutating func call(_ start: State, from: State, to: State) {
        states[Int(from)].calls.append(Automaton.Call(start: start, back: to))
    }

    mutating func returns(in state: State) { states[Int(state)].returns = true }

    /// Reads exactly these bytes.
    mutating func text(
        _ bytes: some Collection<UInt8>, from: State, to: State
    ) throws(SchemaError) {
        guard !bytes.isEmpty else { return jump(from: from, to: to) }
        var here = from
        for (place, byte) in bytes.enumerated() {
            let next = place == bytes.count - 1 ? to : try state()
            read(byte, byte, from: here, to: next)
            here = next
        }
    }

    /// Reads one of these texts. They share what they begin with, so that few states are alive at
    /// a time however many texts there are.
    mutating func oneOf(
        _ texts: [[UInt8]], from: State, to: State
    ) throws(SchemaError) {
        var children: [State: [UInt8: State]] = [:]
        for text in texts {
            var here = from
            for byte in text {
                if let next = children[here]?[byte] {
                    here = next
                } else {
                    let next = try state()
                    read(byte, byte, from: here, to: next)
                    children[here, default: [:]][byte] = next
                    here = next
                }
            }
            jump(from: here, to: to)
        }
    }

    /// The subroutine with this name, if it was asked for before.
    func routine(named name: String) -> State? { routines[name] }

    /// A new subroutine: its first state, and the one in which it returns.
    mutating func addRoutine(_ name: String) throws(SchemaError) -> (start: State, end: State) {
        let (start, end) = (try state(), try state())
        routines[name] = start
        returns(in: end)
        return (start, end)
    }

    /// The subroutine with this name, made by `body` when it is asked for the first time.
    mutating func routine(
        _ name: String,
        _ body: (inout AutomatonBuilder, State, State) throws(SchemaError) -> Void
    ) throws(SchemaError) -> State {
        if let known = routine(named: name) { return known }
        let (start, end) = try addRoutine(name)
        try body(&self, start, end)
        return start
    }
}
