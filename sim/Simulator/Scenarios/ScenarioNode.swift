import Yams

/// A YAML document as a tree that knows where each part stands.
///
/// Strangers write these files: before the parser sees it, a text that is too long, nests too deep,
/// or has anchors or aliases (which can make a short text very large) is refused.
struct ScenarioNode {
    /// What stands there.
    enum Content {
        case scalar(String, isQuoted: Bool)
        case list([ScenarioNode])
        case map([Pair])
    }
    /// A key with its value.
    struct Pair {
        let key: String
        let keyNode: ScenarioNode
        let value: ScenarioNode
    }

    let line: Int
    let column: Int
    let content: Content

    static let mostBytes = 1 << 20
    static let mostColumns = 64
    static let mostOpen = 16

    /// The tree of a text of one document.
    static func read(_ text: String) throws(ScenarioFault) -> ScenarioNode {
        try check(text)
        do {
            let parser = try Parser(yaml: text, encoding: .utf8)
            guard let root = try parser.singleRoot() else {
                throw ScenarioFault("the file is empty", line: 1, column: 1)
            }
            return try ScenarioNode(root)
        } catch let error as YamlError {
            throw fault(error)
        } catch let fault as ScenarioFault {
            throw fault
        } catch {
            throw ScenarioFault("not YAML (\(error))")
        }
    }

    /// A fault at this place.
    func fault(_ reason: String) -> ScenarioFault {
        ScenarioFault(reason, line: line, column: column)
    }

    private init(_ node: Node) throws(ScenarioFault) {
        line = node.mark?.line ?? 0
        column = node.mark?.column ?? 0
        switch node {
        case .scalar(let scalar):
            let isQuoted = scalar.style != .plain && scalar.style != .any
            content = .scalar(scalar.string, isQuoted: isQuoted)
        case .sequence(let nodes):
            var list: [ScenarioNode] = []
            for node in nodes { list.append(try ScenarioNode(node)) }
            content = .list(list)
        case .mapping(let mapping):
            var pairs: [Pair] = []
            for (key, value) in mapping {
                let keyNode = try ScenarioNode(key)
                guard case .scalar(let name, _) = keyNode.content else {
                    throw keyNode.fault("a key must be a word")
                }
                if let first = pairs.first(where: { $0.key == name }) {
                    let line = first.keyNode.line
                    throw keyNode.fault("`\(name)` was already said in line \(line)")
                }
                pairs.append(Pair(key: name, keyNode: keyNode, value: try ScenarioNode(value)))
            }
            content = .map(pairs)
        case .alias(let alias):
            let mark = alias.mark
            throw ScenarioFault(aliases, line: mark?.line ?? 0, column: mark?.column ?? 0)
        }
    }

    private static func fault(_ error: YamlError) -> ScenarioFault {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            ScenarioFault("not YAML: \(problem)", line: mark.line, column: mark.column)
        case .duplicatedKeysInMapping(let names, let context):
            ScenarioFault(
                "`\(names.first ?? "")` is said more than once here", line: context.mark.line,
                column: context.mark.column)
        case .reader(let problem, _, _, _): ScenarioFault("not YAML: \(problem)")
        default: ScenarioFault("not YAML: \(error)")
        }
    }
}

private let aliases = """
    anchors and aliases (`&name`, `*name`) are not read here; write the value out, or put a space \
    behind the sign if it is text
    """

extension ScenarioNode {
    /// Whether the parser may see this text. It is stricter than YAML where that costs nobody
    /// anything: 64 columns of indentation and dashes, 16 brackets open at a time.
    private static func check(_ text: String) throws(ScenarioFault) {
        if text.utf8.count > mostBytes { throw ScenarioFault("the file is over a mebibyte") }
        var (line, column, open) = (1, 0, 0)
        var isLeading = true
        var (last, beforeLast) = (UInt8(ascii: "\n"), UInt8(ascii: "\n"))
        for byte in text.utf8 {
            column += 1
            switch byte {
            case 10, 13: (line, column, isLeading) = (byte == 10 ? line + 1 : line, 0, true)
            case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): open = max(0, open - 1)
            default: break
            }
            if open > mostOpen {
                throw ScenarioFault("brackets nest too deep", line: line, column: column)
            }
            if isLeading, byte != 10, byte != 13 {
                if !" -?:\t".utf8.contains(byte) { isLeading = false }
                if column > mostColumns, isLeading, byte != 32 || last != 32 {
                    throw ScenarioFault("blocks nest too deep", line: line, column: column)
                }
                if column > mostColumns, !isLeading, byte != UInt8(ascii: "#") {
                    throw ScenarioFault(
                        "a line starts behind column \(mostColumns)", line: line, column: column)
                }
            }
            let isSign = last == UInt8(ascii: "&") || last == UInt8(ascii: "*")
            if isSign, isName(byte), " \n\r\t[]{},:?-".utf8.contains(beforeLast) {
                throw ScenarioFault(aliases, line: line, column: column - 1)
            }
            (beforeLast, last) = (last, byte)
        }
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
