import Foundation
public import Primitives

/// What a standby must not forget when it restarts: the newest leader that it followed, and whether
/// it was promoted. One line in a file beside its journal:
/// `exchequer-standby-1 TERM LEADER following|promoted`.
public struct StandbyMark: Hashable, Sendable {
    /// The newest term that was granted, to a leader or to itself; 0 for none.
    public var term: UInt64 = 0
    /// The process that the term was granted to, by its random name; zero for none.
    public var leader = Digest.zero
    /// Whether this standby took over, and so follows nobody any more.
    public var isPromoted = false

    /// Of a standby that has met nobody.
    public init() {}

    /// Reads the mark, an empty one if there is no file. Throws `cannotOpen`, or `damagedFile` for
    /// a file that is something else.
    public init(readingFrom path: String) throws(JournalError) {
        guard FileManager.default.fileExists(atPath: path) else { return }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .cannotOpen(path, "it cannot be read")
        }
        let text = String(decoding: data.prefix(256), as: UTF8.self)
        let words = text.split(separator: " ")
        guard text.hasSuffix("\n"), words.count == 4, words[0] == StandbyMark.name,
            let term = UInt64(words[1]),
            let leader = Hex.decode(String(words[2])).flatMap({
                Digest($0)
            }), words[3] == "following\n" || words[3] == "promoted\n"
        else { throw .damagedFile("\(path) is not a standby's mark") }
        self.term = term
        self.leader = leader
        isPromoted = words[3] == "promoted\n"
    }

    /// Replaces the file; what it says is durable when this returns. Throws `cannotOpen` or
    /// `inputOutput`.
    public func write(to path: String) throws(JournalError) {
        let state = isPromoted ? "promoted" : "following"
        let line = Array("\(StandbyMark.name) \(term) \(leader.hex) \(state)\n".utf8)
        let new = path + ".new"
        let descriptor = unsafe open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .cannotOpen(new, SystemError.words(errno)) }
        defer { close(descriptor) }
        guard unsafe Foundation.write(descriptor, line, line.count) == line.count,
            fsync(descriptor) == 0, unsafe rename(new, path) == 0
        else { throw .inputOutput(errno, "writing \(path): \(SystemError.words(errno))") }
        try SystemError.syncFolder(of: path)
    }

    private static let name = "exchequer-standby-1"
}
