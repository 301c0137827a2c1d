import ArgumentParser
import Foundation
import Storage
import Synchronization

/// Where a read model goes.
struct ReadModelOptions: ParsableArguments {
    @OptionGroup var source: JournalOptions
    @Option(
        help: """
            The read model: sqlite:PATH or postgres:CONNINFO#SCHEMA. Without it, beside the \
            journal: PATH.read.sqlite, or the journal's schema with _read after its name.
            """)
    var into: String?
    @Flag(help: "Print one JSON object.") var json = false

    func place(for journal: JournalPlace) throws -> JournalPlace {
        guard let into else {
            return switch journal {
            case .sqlite(let path): .sqlite(path: path + ".read.sqlite")
            case .file(let folder): .sqlite(path: folder + ".read.sqlite")
            case .postgres(let conninfo, let schema):
                .postgres(conninfo: conninfo, schema: schema + "_read")
            }
        }
        do throws(JournalError) {
            let place = try JournalPlace(into)
            if place == journal { throw .cannotOpen(into, "--into is the journal itself") }
            return place
        } catch {
            Console.say("--into: \(error)")
            throw Exit.configuration
        }
    }

    /// Fills the model and prints what came of it.
    func fill(rebuilding: Bool, caughtUp: (ReadModelProgress) -> Bool) throws {
        let (from, journal) = try source.open()
        let place = try place(for: from)
        let start = ContinuousClock.now
        var shown = start
        let end: ReadModelProgress
        do throws(ReadModelError) {
            end = try fillReadModel(
                from: journal, into: place, rebuilding: rebuilding,
                progress: { progress in
                    guard start.duration(to: .now) > .seconds(2),
                        shown.duration(to: .now) > .seconds(1)
                    else { return }
                    shown = .now
                    let rate = Self.rate(progress.rows, since: start)
                    Console.progress(
                        "batch \(progress.sequence), \(progress.rows) rows, \(rate) rows/s")
                }, caughtUp: caughtUp)
        } catch {
            Console.progress("")
            Console.say("\(error)")
            if case .journal(let error) = error { throw error.exitCode }
            throw Exit.configuration
        }
        Console.progress("")
        let summary = Summary(
            place: "\(place)", machine: end.kind.rawValue, sequence: end.sequence,
            commands: end.commands, transfers: end.transfers, rows: end.rows,
            rowsPerSecond: Self.rate(end.rows, since: start))
        if json { return try Console.put(json: summary) }
        Console.put(
            "\(summary.place) is filled up to batch \(end.sequence): \(end.transfers) transfers, "
                + "\(end.rows) rows written, \(summary.rowsPerSecond) rows/s")
    }

    struct Summary: Encodable {
        let place, machine: String
        let sequence, commands: UInt64
        let transfers, rows, rowsPerSecond: Int
    }

    private static func rate(_ rows: Int, since start: ContinuousClock.Instant) -> Int {
        Int(Double(rows) / max(start.duration(to: .now) / .seconds(1), 0.001))
    }
}

/// `exchequer journal rebuild`.
struct JournalRebuildCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild",
        abstract: "Fill SQL tables from a journal, from nothing.",
        discussion: """
            Drops the read model if there is one and fills a new one; a database of anything else \
            is left as it is. The tables and the queries people want are in \
            docs/reference/read-model.md.

            EXAMPLES
              exchequer journal rebuild --journal house/journal.sqlite
              exchequer journal rebuild --journal file:books --into 'postgres:dbname=books#reading'
            """)

    @OptionGroup var options: ReadModelOptions

    func run() throws { try options.fill(rebuilding: true) { _ in false } }
}

/// `exchequer journal follow`.
struct JournalFollowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow",
        abstract: "Keep SQL tables filled behind a running server, until Ctrl-C.",
        discussion: """
            Goes on where the read model ends, also after a kill; makes it if there is none.

            EXAMPLES
              exchequer journal follow --journal file:books
              exchequer journal follow --journal house/journal.sqlite --every 50
              exchequer journal follow --journal file:books --once
            """)

    @OptionGroup var options: ReadModelOptions
    @Option(help: "Milliseconds between two looks at the journal, 10 to 60000.")
    var every = 200
    @Flag(help: "End as soon as everything is in the read model.") var once = false

    func validate() throws {
        guard (10...60_000).contains(every) else {
            throw ValidationError("--every wants 10 to 60000 milliseconds.")
        }
    }

    func run() throws {
        let stopped = Mutex(false)
        let signals = StopSignals { _ in stopped.withLock { $0 = true } }
        defer { withExtendedLifetime(signals) {} }
        var last: UInt64 = 0
        try options.fill(rebuilding: false) { progress in
            if once || stopped.withLock({ $0 }) { return false }
            if progress.sequence != last { Console.progress("at batch \(progress.sequence)") }
            last = progress.sequence
            Thread.sleep(forTimeInterval: Double(every) / 1_000)
            return !stopped.withLock { $0 }
        }
    }
}
