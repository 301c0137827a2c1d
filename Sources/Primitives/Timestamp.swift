/// A moment: nanoseconds since 1970-01-01T00:00:00Z. Assigned by the sequencer, never read from a
/// clock below floor 2.
public struct Timestamp: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// Nanoseconds since the Unix epoch.
    public let nanoseconds: UInt64

    /// The moment `nanoseconds` after the Unix epoch.
    @inlinable
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The moment `seconds` after the Unix epoch.
    public init(seconds: UInt64) {
        self.init(nanoseconds: seconds * 1_000_000_000)
    }

    /// The Unix epoch; stands for "never happened" where a record says so.
    public static let zero = Timestamp(nanoseconds: 0)

    @inlinable
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The moment `span` later; saturates at the end of time (year 2554).
    @inlinable
    public static func + (left: Timestamp, span: Span) -> Timestamp {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(span.nanoseconds)
        return Timestamp(nanoseconds: overflow ? .max : sum)
    }

    /// A length of time in nanoseconds.
    public struct Span: Hashable, Comparable, Sendable {
        /// Nanoseconds.
        public let nanoseconds: UInt64

        /// A span of `nanoseconds`.
        public init(nanoseconds: UInt64) {
            self.nanoseconds = nanoseconds
        }

        /// A span of whole seconds; traps above 584 years.
        public static func seconds(_ seconds: UInt64) -> Span {
            Span(nanoseconds: seconds * 1_000_000_000)
        }

        /// A span of whole milliseconds.
        public static func milliseconds(_ milliseconds: UInt64) -> Span {
            Span(nanoseconds: milliseconds * 1_000_000)
        }

        public static func < (left: Span, right: Span) -> Bool {
            left.nanoseconds < right.nanoseconds
        }
    }
}

extension Timestamp: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(nanoseconds)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(nanoseconds: try reader.readUInt64())
    }
}

extension Timestamp.Span: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(nanoseconds)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(nanoseconds: try reader.readUInt64())
    }
}
