/// A regular expression of the subset that can be enforced, as JSON Schema's `pattern` has it: of
/// ECMA-262's, what describes a regular language. Where dialects differ (`.`, `\w`, `\s` and their
/// opposites), only characters are written that all of them take.
///
/// Known: characters, `.`, classes, `\d \w \s \D \W \S`, escapes of single characters, groups,
/// alternatives, `* + ?` and counted repeats; `^` and `$` around a whole alternative.
struct Pattern {
    /// The most bytes of a pattern.
    static let maximumBytes = 2_048
    /// What a part of the pattern reads.
    indirect enum Node {
        case set(ScalarSet)
        case sequence([Node])
        case choice([Node])
        case repeated(Node, Int, Int?)
    }

    /// What the whole pattern reads.
    let node: Node

    /// Reads a pattern.
    ///
    /// - Throws: `unsupportedPattern`.
    init(_ source: String) throws(SchemaError) {
        guard source.utf8.count <= Self.maximumBytes else {
            throw SchemaError(
                .unsupportedPattern, "a pattern has at most \(Self.maximumBytes) bytes")
        }
        var reader = PatternReader(source)
        node = try reader.pattern()
    }
}

/// Reads the text of a pattern.
private struct PatternReader {
    typealias Node = Pattern.Node

    private static let maximumNesting = 32
    private static let maximumRepeats = 1_000

    private let scalars: [Unicode.Scalar]
    private var place = 0

    init(_ source: String) {
        scalars = Array(source.unicodeScalars)
    }

    mutating func pattern() throws(SchemaError) -> Node {
        let node = try choice(nesting: 0)
        if next != nil { throw fault("a group ends that did not begin") }
        return node
    }

    private var next: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

    private func fault(_ what: String) -> SchemaError {
        SchemaError(.unsupportedPattern, "\(what) at character \(place) of the pattern")
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        place += 1
        return true
    }

    private mutating func choice(nesting: Int) throws(SchemaError) -> Node {
        guard nesting <= Self.maximumNesting else { throw fault("groups are nested too deep") }
        var choices: [Node] = []
        repeat { choices.append(try sequence(nesting: nesting)) } while take("|")
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    /// One alternative. On the outermost level it may stand anywhere in the text if it is not
    /// anchored.
    private mutating func sequence(nesting: Int) throws(SchemaError) -> Node {
        var nodes: [Node] = []
        let anything = Node.repeated(.set(.all), 0, nil)
        let begins = nesting == 0 && take("^")
        if nesting == 0, !begins { nodes.append(anything) }
        var ends = false
        while let scalar = next, scalar != "|", scalar != ")" {
            if scalar == "$", nesting == 0 {
                place += 1
                guard next == nil || next == "|" else { throw fault("$ within an alternative") }
                ends = true
                break
            }
            let atom = try atom(nesting: nesting)
            nodes.append(try quantified(atom))
        }
        if nesting == 0, !ends { nodes.append(anything) }
        return .sequence(nodes)
    }

    private mutating func atom(nesting: Int) throws(SchemaError) -> Node {
        let scalar = next ?? " "
        place += 1
        switch scalar {
        case "(":
            if take("?"), !take(":") { throw fault("a group that looks around or has a name") }
            let node = try choice(nesting: nesting + 1)
            guard take(")") else { throw fault("a group does not end") }
            return node
        case "[": return .set(try characterClass())
        case ".": return .set(.dot)
        case "\\": return .set(try escape().set)
        case "^", "$": throw fault("an anchor within an alternative")
        case "*", "+", "?", "{", "}", "]": throw fault("\(scalar) that repeats nothing")
        default: return .set(ScalarSet(scalar))
        }
    }

    private mutating func quantified(_ node: Node) throws(SchemaError) -> Node {
        var (least, most): (Int, Int?) = (1, 1)
        if take("*") {
            (least, most) = (0, nil)
        } else if take("+") {
            most = nil
        } else if take("?") {
            least = 0
        } else if take("{") {
            guard let count = number() else { throw fault("no number of repeats") }
            (least, most) = (count, count)
            if take(",") { most = number() }
            guard take("}"), most ?? least >= least else { throw fault("no range of repeats") }
        } else {
            return node
        }
        guard max(least, most ?? 0) <= Self.maximumRepeats else {
            throw fault("more than \(Self.maximumRepeats) repeats")
        }
        // A lazy quantifier reads the same texts.
        _ = take("?")
        if let next, ["*", "+", "{"].contains(next) { throw fault("a repeated repeat") }
        return .repeated(node, least, most)
    }

    private mutating func number() -> Int? {
        var number: Int?
        while let digit = next?.value, (0x30...0x39).contains(digit) {
            number = min((number ?? 0) * 10 + Int(digit - 0x30), 1 << 20)
            place += 1
        }
        return number
    }

    private mutating func characterClass() throws(SchemaError) -> ScalarSet {
        let isNegated = take("^")
        var set = ScalarSet()
        var hasNamed = false
        while let scalar = next, scalar != "]" {
            let low = try classMember(scalar)
            hasNamed = hasNamed || low.scalar == nil
            guard next == "-", place + 1 < scalars.count, scalars[place + 1] != "]" else {
                set.formUnion(low.set)
                continue
            }
            place += 1
            let high = try classMember(next ?? "-")
            guard let low = low.scalar, let high = high.scalar, low <= high else {
                throw fault("a range that has no bounds")
            }
            set.formUnion(ScalarSet(low.value...high.value))
        }
        guard take("]") else { throw fault("a class does not end") }
        guard isNegated else { return set }
        return hasNamed ? set.inverted.ascii : set.inverted
    }

    private mutating func classMember(
        _ scalar: Unicode.Scalar
    ) throws(SchemaError) -> (set: ScalarSet, scalar: Unicode.Scalar?) {
        place += 1
        if scalar == "\\" { return try escape() }
        return (ScalarSet(scalar), scalar)
    }

    /// What stands behind a backslash: a set, and the character if it is one.
    private mutating func escape() throws(SchemaError) -> (set: ScalarSet, scalar: Unicode.Scalar?)
    {
        guard let scalar = next else { throw fault("nothing behind a backslash") }
        place += 1
        func one(_ scalar: Unicode.Scalar) -> (ScalarSet, Unicode.Scalar?) {
            (ScalarSet(scalar), scalar)
        }
        switch scalar {
        case "d": return (.digits, nil)
        case "w": return (.word, nil)
        case "s": return (.space, nil)
        case "D": return (ScalarSet.digits.inverted.ascii, nil)
        case "W": return (ScalarSet.word.inverted.ascii, nil)
        case "S": return (ScalarSet.space.inverted.ascii, nil)
        case "t": return one("\t")
        case "n": return one("\n")
        case "r": return one("\r")
        case "f": return one("\u{c}")
        case "v": return one("\u{b}")
        case "x": return one(try hexadecimal(2))
        case "u": return one(try hexadecimal(4))
        default:
            let isLetter = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            guard scalar.isASCII, !isLetter else { throw fault("\\\(scalar)") }
            return one(scalar)
        }
    }

    private mutating func hexadecimal(_ digits: Int) throws(SchemaError) -> Unicode.Scalar {
        let text = scalars[place..<min(place + digits, scalars.count)]
        guard text.count == digits, text.allSatisfy(\.properties.isASCIIHexDigit),
            let value = UInt32(String(String.UnicodeScalarView(text)), radix: 16),
            let scalar = Unicode.Scalar(value)
        else { throw fault("no \(digits) hexadecimal digits of a character") }
        place += digits
        return scalar
    }
}
