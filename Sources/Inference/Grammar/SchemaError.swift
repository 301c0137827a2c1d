/// Why a schema cannot constrain an answer. The number is stable for ever; the detail names the
/// place and the keyword.
public struct SchemaError: Error, Hashable, Sendable {
    /// What was wrong.
    public enum Code: UInt16, CaseIterable, Hashable, Sendable {
        /// The text is not JSON, or an object in it has a field twice.
        case notJSON = 1
        /// The text has more bytes, or lists and objects are nested deeper, than is read.
        case tooLarge = 2
        /// A keyword that this engine does not enforce: it is refused and not ignored.
        case unsupportedKeyword = 3
        /// A keyword's value is not of the kind that JSON Schema asks for.
        case invalidKeyword = 4
        /// A reference does not lead to a schema of the same text.
        case unknownReference = 5
        /// A reference leads back to itself with nothing between.
        case circularReference = 6
        /// No value, or none of bounded depth, satisfies the schema.
        case impossible = 7
        /// The automaton would have too many states.
        case tooComplex = 8
        /// A pattern is not in the subset of regular expressions that can be enforced.
        case unsupportedPattern = 9
    }

    /// What was wrong.
    public let code: Code
    /// Where, as a JSON pointer, and why; plain text for people.
    public let detail: String

    /// An error with its place.
    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }
}

extension SchemaError: CustomStringConvertible {
    /// `schema error 3 (unsupportedKeyword): #/properties/age: multipleOf`.
    public var description: String { "schema error \(code.rawValue) (\(code)): \(detail)" }
}
