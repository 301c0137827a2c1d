/// Why a study cannot be run, gone on with or merged.
public struct StudyFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// Whose fault it is.
    public enum Kind: Hashable, Sendable {
        /// What was asked for cannot be: a file or setting is wrong.
        case setting
        /// Results are missing, damaged, in use, or do not agree.
        case results
        /// A file could not be written.
        case disk
    }

    /// What is wrong, in a sentence.
    public let description: String
    /// Whose fault it is.
    public let kind: Kind

    /// A fault for this reason.
    public init(_ reason: String, _ kind: Kind = .setting) {
        description = reason
        self.kind = kind
    }
}
