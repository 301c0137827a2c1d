import Primitives

/// Under which books a house's dispersals on Solana were made, as a memo says it there: text, since
/// the memo program takes nothing but UTF-8.
///
///     exchequer books FIRST-LAST HEAD ROOT
///
/// with decimal numbers without leading zeros, and two hashes of 64 hexadecimal digits in lower
/// case. A payment with lookup tables has no room for it, so that it has a transaction of its own.
public struct BooksStatement: Hashable, Sendable {
    /// The first dispersal it is said of.
    public let first: UInt64
    /// The last one.
    public let last: UInt64
    /// The books by which they were decided.
    public let books: PushedBooks

    /// The longest text.
    static let mostBytes = 16 + 41 + 2 * 65

    /// A statement of dispersals that there are: the first is not after the last.
    public init(first: UInt64, last: UInt64, _ books: PushedBooks) {
        precondition(first > 0 && first <= last, "a run of dispersals")
        self.first = first
        self.last = last
        self.books = books
    }

    /// The memo.
    public var text: [UInt8] {
        let (head, root) = (books.journalHead.hex, books.liabilities.hex)
        return Array("exchequer books \(first)-\(last) \(head) \(root)".utf8)
    }

    /// Reads a memo; `nil` unless it is one, in its only spelling.
    public init?(text: [UInt8]) {
        guard text.count <= Self.mostBytes,
            let words = String(validating: text, as: UTF8.self)?.split(separator: " "),
            words.count == 5
        else { return nil }
        let run = words[2].split(separator: "-").compactMap { UInt64($0) }
        guard run.count == 2, run[0] > 0, run[0] <= run[1],
            let head = Hex.decode(String(words[3])).flatMap({ Digest($0) }),
            let root = Hex.decode(String(words[4])).flatMap({ Digest($0) })
        else { return nil }
        self.init(
            first: run[0], last: run[1], PushedBooks(journalHead: head, liabilities: root))
        if self.text != text { return nil }
    }
}

extension SolanaMessage {
    /// The statement that it makes, if it makes one.
    public var booksStatement: BooksStatement? {
        let instructions = SolanaMessageReading(bytes)?.instructions ?? []
        return instructions.lazy.filter { $0.program == .memo }
            .compactMap { BooksStatement(text: $0.data) }.first
    }
}
