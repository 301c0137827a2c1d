/// A pattern as a deterministic automaton over the bytes of a JSON text.
extension Pattern {
    private typealias State = Automaton.State

    /// The most states of the automaton, and the most steps that are taken to find them.
    private static let maximumStates = 4_096
    private static let maximumSteps = 2_000_000

    /// Adds a text in quotes that the pattern reads; written with escapes only where they must be.
    ///
    /// - Throws: `tooComplex`.
    func add(
        to builder: inout AutomatonBuilder, from: Automaton.State, to end: Automaton.State
    ) throws(SchemaError) {
        var scratch = AutomatonBuilder()
        let (first, last) = (try scratch.state(), try scratch.state())
        try Self.add(node, to: &scratch, from: first, to: last)
        var steps = 0
        // Each state of the result stands for a set of states of the first automaton.
        var numbers: [[State]: Int] = [:]
        var sets: [[State]] = []
        var targets: [State] = []
        func number(
            of set: [State], _ builder: inout AutomatonBuilder
        ) throws(SchemaError) -> State {
            if let known = numbers[set] { return targets[known] }
            guard sets.count < Self.maximumStates else {
                throw SchemaError(.tooComplex, "the pattern needs too many states")
            }
            numbers[set] = sets.count
            sets.append(set)
            targets.append(try builder.state())
            if set.contains(last) {
                builder.read(0x22, 0x22, from: targets[sets.count - 1], to: end)
            }
            return targets[sets.count - 1]
        }
        let start = Self.closure(of: [first], in: scratch, &steps)
        builder.read(0x22, 0x22, from: from, to: try number(of: start, &builder))
        var done = 0
        while done < sets.count {
            let reads = sets[done].flatMap { scratch.states[Int($0)].reads }
            for (low, high) in Self.runs(of: reads) {
                let found = reads.filter { $0.low <= low && high <= $0.high }.map(\.target)
                steps += reads.count
                guard !found.isEmpty else { continue }
                let set = Self.closure(of: found, in: scratch, &steps)
                let next = try number(of: set, &builder)
                builder.read(low, high, from: targets[done], to: next)
            }
            guard steps < Self.maximumSteps else {
                throw SchemaError(.tooComplex, "the pattern takes too long to be prepared")
            }
            done += 1
        }
    }

    /// The runs of bytes that the reads do not tell apart, without those that none takes at its
    /// ends.
    private static func runs(of reads: [Automaton.Read]) -> [(UInt8, UInt8)] {
        var begins = Set(reads.map { Int($0.low) })
        begins.formUnion(reads.map { Int($0.high) + 1 })
        let places = begins.sorted()
        return zip(places, places.dropFirst()).map { (UInt8($0), UInt8($1 - 1)) }
    }

    private static func closure(
        of states: [State], in builder: AutomatonBuilder, _ steps: inout Int
    ) -> [State] {
        var found = Set(states)
        var waiting = states
        while let state = waiting.popLast() {
            steps += 1
            for target in builder.states[Int(state)].jumps where found.insert(target).inserted {
                waiting.append(target)
            }
        }
        return found.sorted()
    }

    /// Each part makes at least one state, so that the limit of states bounds the work.
    private static func add(
        _ node: Node, to builder: inout AutomatonBuilder, from: State, to end: State
    ) throws(SchemaError) {
        switch node {
        case .set(let set):
            let here = try builder.state()
            builder.jump(from: from, to: here)
            try add(set, to: &builder, from: here, to: end)
        case .sequence(let nodes):
            var here = from
            for node in nodes {
                let next = try builder.state()
                try add(node, to: &builder, from: here, to: next)
                here = next
            }
            builder.jump(from: here, to: end)
        case .choice(let nodes):
            for node in nodes {
                let here = try builder.state()
                builder.jump(from: from, to: here)
                try add(node, to: &builder, from: here, to: end)
            }
        case .repeated(let node, let least, let most):
            var here = from
            for count in 0..<(most ?? least) {
                if count >= least { builder.jump(from: here, to: end) }
                let next = try builder.state()
                try add(node, to: &builder, from: here, to: next)
                here = next
            }
            builder.jump(from: here, to: end)
            if most == nil {
                let loop = try builder.state()
                builder.jump(from: here, to: loop)
                try add(node, to: &builder, from: loop, to: loop)
                builder.jump(from: loop, to: end)
            }
        }
    }

    private static func add(
        _ set: ScalarSet, to builder: inout AutomatonBuilder, from: State, to end: State
    ) throws(SchemaError) {
        for sequence in set.sequences {
            var here = from
            for (place, range) in sequence.enumerated() {
                let next = place == sequence.count - 1 ? end : try builder.state()
                builder.read([range], from: here, to: next)
                here = next
            }
        }
        let escaped = (0..<0x20).map(UInt32.init) + [0x22, 0x5c]
        for scalar in escaped.compactMap(Unicode.Scalar.init) where set.contains(scalar.value) {
            guard let bytes = OrderedJSON.escape(scalar) else { continue }
            try builder.text(bytes, from: from, to: end)
        }
    }
}
