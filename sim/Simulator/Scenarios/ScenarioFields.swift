import Economics

/// The keys of a mapping, as a reader asks for them.
struct ScenarioFields {
    let node: ScenarioNode
    let pairs: [ScenarioNode.Pair]
    private let isMap: Bool
    private let name: String

    /// The fields of a node that should be a mapping; `only` says so if it is not.
    init(_ node: ScenarioNode, _ name: String) {
        self.node = node
        self.name = name
        if case .map(let pairs) = node.content {
            self.pairs = pairs
            isMap = true
        } else {
            pairs = []
            isMap = false
        }
    }

    subscript(key: String) -> ScenarioNode? { pairs.first { $0.key == key }?.value }

    /// Throws at the first key that is none of these.
    func only(_ known: [String], of kind: String = "key") throws(ScenarioFault) {
        guard isMap else { throw node.fault("`\(name)` must have keys and values") }
        for pair in pairs where !known.contains(pair.key) {
            let hint = Nearest.hint(pair.key, in: known)
            let all = hint.isEmpty ? ": there are \(known.joined(separator: ", "))" : hint
            throw pair.keyNode.fault("no \(kind) is called `\(pair.key)`\(all)")
        }
    }

    /// Text, if the key is there.
    func text(_ key: String) throws(ScenarioFault) -> String? {
        guard let node = self[key] else { return nil }
        return try node.text()
    }

    /// One of these words, if the key is there.
    func word(_ key: String, of words: [String]) throws(ScenarioFault) -> String? {
        guard let node = self[key] else { return nil }
        let word = try node.text()
        if words.contains(word) { return word }
        throw node.fault(
            "`\(word)` is none of \(words.joined(separator: ", "))\(Nearest.hint(word, in: words))")
    }

    /// A whole number in a range, if the key is there; it counts what it is called, or `counted`.
    func whole(
        _ key: String, _ range: ClosedRange<Int>, of counted: String? = nil
    ) throws(ScenarioFault) -> Int? {
        guard let node = self[key] else { return nil }
        let spec = ParameterSpec(
            key, .count(of: counted ?? key), Int64(range.lowerBound)...Int64(range.upperBound),
            standard: 0,
            about: "")
        return Int(try node.value(spec))
    }

    /// A number of 64 bits, if the key is there.
    func seed(_ key: String) throws(ScenarioFault) -> UInt64? {
        guard let node = self[key] else { return nil }
        guard let seed = UInt64(try node.text()) else {
            throw node.fault("`\(key)` is a whole number from 0 to \(UInt64.max)")
        }
        return seed
    }

    /// `true` or `false`, if the key is there.
    func flag(_ key: String) throws(ScenarioFault) -> Bool? {
        try word(key, of: ["true", "false"]).map { $0 == "true" }
    }
}

extension ScenarioNode {
    /// A scalar's text.
    func text() throws(ScenarioFault) -> String {
        guard case .scalar(let text, _) = content else {
            throw fault("there must be one value here")
        }
        return text
    }

    /// A list of at most so many.
    func list(most: Int) throws(ScenarioFault) -> [ScenarioNode] {
        guard case .list(let nodes) = content else { throw fault("there must be a list here") }
        if nodes.count > most { throw fault("the list has over \(most) entries") }
        return nodes
    }

    /// A number in this unit.
    func value(_ unit: Quantity) throws(ScenarioFault) -> Int64 {
        let text = try text()
        do throws(ScenarioError) { return try unit.read(text) } catch { throw fault(error.reason) }
    }

    /// A number in the unit and range of a parameter.
    func value(_ spec: ParameterSpec) throws(ScenarioFault) -> Int64 {
        let text = try text()
        do throws(ScenarioError) { return try spec.read(text) } catch { throw fault(error.reason) }
    }

    /// The value of this key in or below this node.
    func find(_ key: String) -> ScenarioNode? {
        guard case .map(let pairs) = content else { return nil }
        for pair in pairs {
            if pair.key == key { return pair.value }
            if let found = pair.value.find(key) { return found }
        }
        return nil
    }

    /// What a rule is said to be.
    var parameterText: ParameterText {
        switch content {
        case .scalar(let text, let isQuoted): isQuoted ? .text(text) : .word(text)
        case .list: .other
        case .map(let pairs):
            .group(pairs.map { ParameterText.Entry($0.key, $0.value.parameterText) })
        }
    }
}
