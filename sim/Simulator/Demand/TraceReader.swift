public import Foundation

/// One request of a trace of inference.
public struct TraceRequest: Hashable, Sendable {
    /// When it came: ticks of 100 nanoseconds since 1970, UTC.
    public let ticks: Int64
    /// Tokens of its prompt.
    public let context: Int
    /// Tokens of the answer.
    public let generated: Int

    /// A request.
    public init(ticks: Int64, context: Int, generated: Int) {
        self.ticks = ticks
        self.context = context
        self.generated = generated
    }
}

/// Why a trace is refused, and where.
public struct TraceFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file, as it was named.
    public let file: String
    /// The line, from 1; 0 if it is about the file as a whole.
    public let line: Int
    /// What is wrong and what would be right.
    public let reason: String

    /// `FILE:LINE: reason`.
    public var description: String {
        line == 0 ? "\(file): \(reason)" : "\(file):\(line): \(reason)"
    }
}

/// Reads the public traces of LLM inference in Azure (github.com/Azure/AzurePublicDataset): CSV
/// with the header `TIMESTAMP,ContextTokens,GeneratedTokens` and a request a line, in the order of
/// time. Lines end with LF or CRLF, the last one with or without.
///
/// Both forms of time are read: that of 2023, `2023-11-16 18:15:46.6805900`, taken as UTC, and that
/// of 2024, `2024-05-10 00:00:00.009930+00:00`, where whole seconds have no fraction. What else
/// stands in a line is refused with its number. A mebibyte of the file is in memory at a time.
public struct TraceReader: Sendable {
    private let file: URL
    private let name: String

    /// The first line.
    public static let header = "TIMESTAMP,ContextTokens,GeneratedTokens"
    /// The most requests of a trace: four times the week of 2024.
    public static let mostRequests = 100_000_000
    /// The most tokens of a prompt or an answer.
    public static let mostTokens = 1 << 20
    /// The most seconds from the first request to the last: a quarter of a year.
    public static let mostSeconds = 92 * 86_400
    /// The longest line.
    static let mostLine = 128

    /// A trace in this file; `name` is what faults call it.
    public init(_ file: URL, name: String? = nil) {
        self.file = file
        self.name = name ?? file.path
    }

    /// Calls `body` with each request, in order. Throws at the first line that is none.
    public func forEach(_ body: (TraceRequest) -> Void) throws(TraceFault) {
        var lines: LineReader
        do throws(StudyFault) {
            lines = try LineReader(file, longest: TraceReader.mostLine)
        } catch {
            throw fault("cannot be read")
        }
        var parser = TraceParser()
        var number = 0
        while let line = try next(&lines, number + 1) {
            number += 1
            do throws(ScenarioError) {
                if number == 1 {
                    try parser.readHeader(line)
                } else {
                    body(try parser.read(line))
                }
            } catch {
                throw fault(error.reason, line: number)
            }
        }
        if number == 0 { throw fault("is empty; the first line is \(TraceReader.header)") }
        if parser.count == 0 { throw fault("has no request") }
    }

    private func next(
        _ lines: inout LineReader, _ number: Int
    ) throws(TraceFault) -> ArraySlice<UInt8>? {
        do throws(StudyFault) {
            if let line = try lines.next() { return line }
            return try lines.rest()
        } catch {
            throw fault(error.description, line: number)
        }
    }

    /// A fault of this trace.
    func fault(_ reason: String, line: Int = 0) -> TraceFault {
        TraceFault(file: name, line: line, reason: reason)
    }
}

/// The lines of a trace, one after the other.
private struct TraceParser {
    private(set) var count = 0
    private var first: Int64 = 0
    private var last: Int64 = .min
    /// Whether times have a zone; what the first request says holds for all.
    private var hasZone: Bool?

    func readHeader(_ line: ArraySlice<UInt8>) throws(ScenarioError) {
        if String(decoding: trimmed(line), as: UTF8.self) != TraceReader.header {
            throw ScenarioError("the first line is not \(TraceReader.header)")
        }
    }

    mutating func read(_ line: ArraySlice<UInt8>) throws(ScenarioError) -> TraceRequest {
        let cells = trimmed(line).split(
            separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        if cells.count != 3 {
            throw ScenarioError("there are \(cells.count) cells and should be 3")
        }
        let (ticks, isZoned) = try TraceTime.read(cells[0])
        if isZoned != hasZone ?? isZoned {
            throw ScenarioError("some times have a zone and some have none")
        }
        hasZone = isZoned
        if count == 0 { first = ticks }
        if ticks < last { throw ScenarioError("the time is before that of the line before") }
        if ticks - first > Int64(TraceReader.mostSeconds) * TraceTime.second {
            throw ScenarioError("the trace is longer than \(TraceReader.mostSeconds / 86_400) days")
        }
        last = ticks
        count += 1
        if count > TraceReader.mostRequests {
            throw ScenarioError("there are over \(TraceReader.mostRequests) requests")
        }
        return TraceRequest(
            ticks: ticks, context: try tokens(cells[1], "ContextTokens"),
            generated: try tokens(cells[2], "GeneratedTokens"))
    }

    private func tokens(
        _ cell: ArraySlice<UInt8>, _ name: String
    ) throws(ScenarioError) -> Int {
        var value = 0
        for byte in cell {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
                throw ScenarioError(
                    "\(name) is `\(String(decoding: cell, as: UTF8.self))`, not a whole number of "
                        + "at least 0")
            }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
            if value > TraceReader.mostTokens {
                throw ScenarioError("\(name) is over \(TraceReader.mostTokens)")
            }
        }
        if cell.isEmpty { throw ScenarioError("\(name) is missing") }
        return value
    }

    private func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }
}
