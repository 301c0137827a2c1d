public import Primitives

/// A token account's history as far as it was read: what it adds up to, and where to go on.
public struct VaultHistory: Hashable, Sendable {
    /// What it adds up to.
    public var book: VaultBook
    /// How far it was read.
    public var cursor: VaultCursor

    /// A history that begins behind a slot in which there was no such account yet.
    public init(from slot: UInt64) {
        book = VaultBook()
        cursor = VaultCursor(slot: slot)
    }
}

extension VaultHistory: CanonicalCodable {
    /// The book, then the cursor.
    public func encode(into writer: inout ByteWriter) {
        writer.write(book)
        writer.write(cursor)
    }

    /// Reads a history.
    public init(from reader: inout ByteReader) throws(CodecError) {
        book = try reader.read()
        cursor = try reader.read()
    }
}
