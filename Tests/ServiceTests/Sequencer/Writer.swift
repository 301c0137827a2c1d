import Clearing
import Foundation
import Primitives
import Storage
import Testing

/// The journals that `crashwriter` can write.
enum JournalKind: String, CaseIterable {
    case sqlite, file, buffered

    func open(_ path: String) throws(JournalError) -> any Journal {
        switch self {
        case .sqlite: try SQLiteJournal(path: path)
        case .file, .buffered: try FileJournal(path: path)
        }
    }
}

/// A running `crashwriter` and what it says.
final class Writer {
    let process = Process()
    private let output = Pipe()
    private let errors = Pipe()

    init(_ kind: JournalKind, _ arguments: [String]) throws {
        // Beside the program that runs the tests.
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
            .deletingLastPathComponent().appendingPathComponent("crashwriter")
        process.arguments = [kind.rawValue] + arguments
        process.standardOutput = output
        process.standardError = errors
        try process.run()
    }

    /// Reads until `enough` lines were seen; blocks until then or until the end.
    func read(atLeast enough: Int, into text: inout Data) {
        var lines = 0
        while lines < enough {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { return }
            lines += more.count { $0 == 0x0A }
            text.append(more)
        }
    }

    /// Reads the rest and waits for the end.
    func finish(into text: inout Data) -> (status: Int32, errors: String) {
        text.append(output.fileHandleForReading.readDataToEndOfFile())
        let words = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: words, as: UTF8.self))
    }

    /// The addresses on whole lines `+ ADDRESS`; any other line is recorded as an issue.
    static func acknowledged(_ text: Data) -> [EVMAddress] {
        let lines = String(decoding: text, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).dropLast()
        return lines.compactMap { line in
            let address = line.hasPrefix("+ ") ? EVMAddress(hex: line.dropFirst(2)) : nil
            if address == nil { Issue.record("unexpected line: \(line)") }
            return address
        }
    }
}

/// What a restart finds in a journal: the chain is verified and everything replayed.
struct Recovered {
    /// The addresses registered, once for each time.
    var addresses: [EVMAddress] = []
    /// How many parties the replayed house has.
    let parties: Int

    init(_ kind: JournalKind, _ path: String) throws {
        let journal = try kind.open(path)
        var replay = HouseReplay(checkpoints: try journal.checkpoints())
        var found: [EVMAddress] = []
        _ = try journal.recover { (batch, entries) throws(JournalError) in
            try replay.apply(batch, entries) { command, _ in
                if case .registerParty(let address) = command { found.append(address) }
            }
        }
        try journal.close()
        addresses = found
        parties = replay.machine.parties.count
    }
}

/// Deterministic numbers from a printed seed.
struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
