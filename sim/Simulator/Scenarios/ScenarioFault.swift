/// Why a scenario file is refused, and where.
public struct ScenarioFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file, as it was named.
    public var file: String
    /// The line, from 1; 0 if it is about the file as a whole.
    public let line: Int
    /// The column, from 1.
    public let column: Int
    /// What is wrong and what would be right.
    public let reason: String

    /// `FILE:LINE:COLUMN: reason`.
    public var description: String {
        line == 0 ? "\(file): \(reason)" : "\(file):\(line):\(column): \(reason)"
    }

    init(_ reason: String, line: Int = 0, column: Int = 0, file: String = "") {
        self.file = file
        self.line = line
        self.column = column
        self.reason = reason
    }
}
