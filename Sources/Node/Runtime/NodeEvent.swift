/// Something that happened on a node, for whoever watches it. Never holds a key.
public struct NodeEvent: Sendable {
    /// A detail's value.
    public enum Value: Hashable, Sendable {
        /// A number.
        case number(UInt64)
        /// Text.
        case text(String)
    }

    /// How much it matters.
    public enum Level: String, Hashable, Sendable {
        /// Things go as they should.
        case info
        /// Something did not work and is being tried again, or was refused.
        case warning
    }

    /// What happened, as a stable word: `job_finished`.
    public let name: String
    /// How much it matters.
    public let level: Level
    /// One sentence for a person.
    public let message: String
    /// The same for a program, in a fixed order.
    public let details: [(key: String, value: Value)]

    /// An event that is as it should be.
    public init(
        _ name: String, _ message: String, _ details: [(key: String, value: Value)] = []
    ) {
        self.init(name, .info, message, details)
    }

    /// An event with its parts.
    public init(
        _ name: String, _ level: Level, _ message: String,
        _ details: [(key: String, value: Value)] = []
    ) {
        self.name = name
        self.level = level
        self.message = message
        self.details = details
    }
}
