import ArgumentParser
import Foundation

/// Where text goes: results to standard output, talk to standard error.
enum Console {
    /// Prints a line of talk.
    static func say(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    /// Prints a line of result.
    static func put(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    /// Prints a result for programs: one JSON object with sorted keys.
    static func put(json value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        put(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// Whether standard error is a terminal: only then lines are redrawn.
    static var isInteractive: Bool { isatty(STDERR_FILENO) == 1 }

    /// Redraws one line of progress, on a terminal only.
    static func progress(_ text: String) {
        guard isInteractive else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
    }

    /// Draws a table with columns as wide as they need.
    static func table(_ header: [String], _ rows: [[String]]) -> String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            let padded = zip(cells, widths).enumerated().map { place, pair in
                let gap = String(repeating: " ", count: pair.1 - pair.0.count)
                return place == 0 ? pair.0 + gap : gap + pair.0
            }
            return padded.joined(separator: "  ")
        }
        let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")
        return ([line(header), rule] + rows.map(line)).joined(separator: "\n")
    }
}

/// The exit codes of docs/reference/exit-codes.md.
enum Exit {
    /// The command line was wrong.
    static let usage = ExitCode(2)
    /// A file or setting is missing or wrong.
    static let configuration = ExitCode(3)
    /// Evidence was checked and found a fault.
    static let fault = ExitCode(4)
    /// A check failed: a journal, a state hash, a claim.
    static let checkFailed = ExitCode(5)
    /// A server, chain or node could not be reached.
    static let network = ExitCode(6)
    /// A file could not be written.
    static let disk = ExitCode(74)
    /// Another process leads the journal now.
    static let fenced = ExitCode(75)
}
