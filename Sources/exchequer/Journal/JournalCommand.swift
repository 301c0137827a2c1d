import ArgumentParser
import Foundation
import Primitives
import Service
import Storage

/// `exchequer journal`: looks at a journal, and fills read models from it.
struct JournalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Look at a journal, verify it, fill SQL tables from it, take snapshots.",
        discussion: """
            A journal's PLACE is sqlite:PATH, file:FOLDER, postgres:CONNINFO#SCHEMA or a path; the \
            schema is exchequer unless given. None of these commands changes a journal, and all of \
            them work beside a running server.

            EXAMPLES
              exchequer journal info --journal house/journal.sqlite
              exchequer journal verify --journal file:books
              exchequer journal rebuild --journal file:books --into sqlite:books.read.sqlite
              exchequer journal follow --journal 'postgres:host=db dbname=books'
            """,
        subcommands: [
            JournalInfoCommand.self, JournalVerifyCommand.self, JournalRebuildCommand.self,
            JournalFollowCommand.self, JournalSnapshotCommand.self,
        ])
}

/// The journal that a command is about.
struct JournalOptions: ParsableArguments {
    @Option(help: "The journal: sqlite:PATH, file:FOLDER, postgres:CONNINFO#SCHEMA or a path.")
    var journal: String

    /// Reads a place as people write it; says what is wrong and exits if it is none.
    static func place(_ text: String) throws -> JournalPlace {
        do throws(JournalError) { return try JournalPlace(text) } catch {
            Console.say("--journal: \(error)")
            throw Exit.configuration
        }
    }

    /// The journal of a house's folder, or the one that was named because it is elsewhere.
    static func place(ofHouse folder: String, _ named: String?) throws -> JournalPlace {
        if let named { return try place(named) }
        let place = House.journal(in: folder)
        guard FileManager.default.fileExists(atPath: place.path) else {
            Console.say(
                "\(place.path) does not exist: --data wants the folder that serve was given, and "
                    + "--journal what it was given")
            throw Exit.configuration
        }
        return place
    }

    /// Opens it for reading; says what is wrong and exits if it cannot.
    func open() throws -> (place: JournalPlace, journal: any Journal) {
        let place = try JournalOptions.place(journal)
        do throws(JournalError) {
            return (place, try place.openForReading())
        } catch {
            Console.say("\(error)")
            throw error.exitCode
        }
    }
}

extension JournalError {
    /// 5 for what is wrong inside a journal or that another process writes it, 6 for a database or
    /// standby that is out of reach, 75 when another process leads, else 3.
    var exitCode: ExitCode {
        switch self {
        case .damaged, .damagedFile, .missingBatches, .unexpectedHash, .undecodable,
            .doesNotReplay, .stateDiverged, .locked:
            Exit.checkFailed
        case .connectionLost, .unreachable, .standby: Exit.network
        case .fenced: Exit.fenced
        default: Exit.configuration
        }
    }
}

/// `exchequer journal info`.
struct JournalInfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Say what a journal is and how far it goes, without verifying it.",
        discussion: """
            EXAMPLES
              exchequer journal info --journal house/journal.sqlite
              exchequer journal info --journal file:books --json
            """)

    @OptionGroup var options: JournalOptions
    @Flag(help: "Print one JSON object.") var json = false

    struct Summary: Encodable {
        let place, store, machine: String
        let sequence, term, time: UInt64
        let headHash: String
        let checkpoints: Int
        let lastCheckpoint: UInt64?
        let bytes: Int?
    }

    func run() throws {
        let (place, journal) = try options.open()
        let summary: Summary
        do throws(JournalError) {
            let head = journal.head
            let checkpoints = try journal.checkpoints()
            summary = Summary(
                place: "\(place)", store: place.storeName,
                machine: try JournaledKind(of: journal).rawValue, sequence: head.sequence,
                term: head.term, time: head.time.nanoseconds, headHash: head.hash.hex,
                checkpoints: checkpoints.count, lastCheckpoint: checkpoints.last?.sequence,
                bytes: place.bytes)
        } catch {
            Console.say("\(error)")
            throw error.exitCode
        }
        if json { return try Console.put(json: summary) }
        let bytes = summary.bytes.map { "\($0) bytes" } ?? "size known to the database"
        let last = summary.lastCheckpoint.map { ", the last of batch \($0)" } ?? ""
        let time = Date(timeIntervalSince1970: Double(summary.time) / 1e9).formatted(.iso8601)
        Console.put(
            """
            \(summary.place)
            \(summary.store), \(bytes), of a machine of kind: \(summary.machine)
            last batch  \(summary.sequence), term \(summary.term), \(time)
            head hash   \(summary.headHash)
            \(summary.checkpoints) recorded state hashes\(last)
            """)
    }
}

extension JournalPlace {
    var storeName: String {
        switch self {
        case .sqlite: "SQLite file"
        case .file: "append files"
        case .postgres: "PostgreSQL schema"
        }
    }

    /// Bytes of the files; `nil` in a database.
    var bytes: Int? {
        let names: [String]
        switch self {
        case .sqlite(let path): names = [path, path + "-wal"]
        case .file(let folder):
            names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
                .map { "\(folder)/\($0)" }
        case .postgres: return nil
        }
        return names.reduce(0) { sum, name in
            let attributes = try? FileManager.default.attributesOfItem(atPath: name)
            return sum + (attributes?[.size] as? Int ?? 0)
        }
    }
}

/// `exchequer journal verify`.
struct JournalVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Verify every batch of a journal and its chain of hashes.",
        discussion: """
            Decides nothing again; for that, see exchequer audit. Exit code 5 if the journal does \
            not hold.

            EXAMPLES
              exchequer journal verify --journal file:books
            """)

    @OptionGroup var options: JournalOptions
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let (_, journal) = try options.open()
        let head: JournalHead
        do throws(JournalError) { head = try journal.verify() } catch {
            Console.say("the journal does not hold: \(error)")
            throw error.exitCode
        }
        if json {
            return try Console.put(json: [
                "sequence": "\(head.sequence)", "headHash": head.hash.hex,
            ])
        }
        Console.put("\(head.sequence) batches hold; head hash \(head.hash.hex)")
    }
}
