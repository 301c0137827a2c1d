public import Primitives

/// Names an account. Chosen by whoever creates it; 0 and the largest number are not allowed.
public struct AccountID: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number.
    public let value: UInt128

    /// Names the account with this number.
    @inlinable
    public init(_ value: UInt128) {
        self.value = value
    }

    /// Names no account; in a post or void it means "as in the pending transfer".
    @inlinable
    public static var none: AccountID { AccountID(0) }

    /// Whether an account may have this id.
    @inlinable
    public var isValid: Bool { value != 0 && value != .max }

    /// Orders by number.
    @inlinable
    public static func < (left: AccountID, right: AccountID) -> Bool { left.value < right.value }
}

/// Names a transfer and makes it happen at most once: a second request with the same id never moves
/// money again. 0 and the largest number are not allowed.
public struct TransferID: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number.
    public let value: UInt128

    /// Names the transfer with this number.
    @inlinable
    public init(_ value: UInt128) {
        self.value = value
    }

    /// Names no transfer.
    @inlinable
    public static var none: TransferID { TransferID(0) }

    /// Whether a transfer may have this id.
    @inlinable
    public var isValid: Bool { value != 0 && value != .max }

    /// Orders by number.
    @inlinable
    public static func < (left: TransferID, right: TransferID) -> Bool { left.value < right.value }
}

extension AccountID: CanonicalCodable, CustomStringConvertible {
    /// Appends the one encoding of this value.
    public func encode(into writer: inout ByteWriter) {
        writer.write(value)
    }

    /// Reads a value; throws rather than accept a second spelling of it.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.readUInt128())
    }

    /// The number in decimal.
    public var description: String { String(value) }
}

extension TransferID: CanonicalCodable, CustomStringConvertible {
    /// Appends the one encoding of this value.
    public func encode(into writer: inout ByteWriter) {
        writer.write(value)
    }

    /// Reads a value; throws rather than accept a second spelling of it.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.readUInt128())
    }

    /// The number in decimal.
    public var description: String { String(value) }
}
