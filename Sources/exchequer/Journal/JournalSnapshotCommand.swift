import ArgumentParser
import Foundation
import Primitives
import Storage

/// `exchequer journal snapshot`.
struct JournalSnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Take a snapshot of what a journal leads to, so that the next start is quick.",
        discussion: """
            Replays the journal from the newest snapshot on, also beside a running server, which \
            takes snapshots by itself. Nothing is written if there is nothing new. It takes as \
            much memory as the server's state. The newest two are kept. Exit code 5 if the \
            journal does not replay, 3 if the snapshot could not be written.

            exchequer audit compares snapshots with the whole journal.

            EXAMPLES
              exchequer journal snapshot --journal house/journal.sqlite
              exchequer journal snapshot --journal 'postgres:dbname=books' --into books.snapshots
              exchequer journal snapshot --journal file:books --json
            """)

    @OptionGroup var options: JournalOptions
    @Option(help: "The folder for snapshots. Without it, PLACE.snapshots beside the journal.")
    var into: String?
    @Flag(help: "Print one JSON object.") var json = false

    /// What is printed: the first two alone if nothing was written.
    struct Summary: Encodable {
        let isNew: Bool
        let folder: String
        let sequence, commands, stateBytes: UInt64?
        let headHash, stateHash: String?

        init(_ info: SnapshotInfo?, folder: String) {
            isNew = info != nil
            self.folder = folder
            sequence = info?.head.sequence
            commands = info?.commands
            stateBytes = info?.stateBytes
            headHash = info?.head.hash.hex
            stateHash = info?.stateHash.hex
        }
    }

    func run() throws {
        let (place, journal) = try options.open()
        guard let folder = into ?? place.snapshotFolder else {
            Console.say("--into: a journal in a database has no folder beside it: name one")
            throw Exit.configuration
        }
        do {
            let store = try SnapshotStore(folder: folder)
            let info = try store.take(ofWhole: journal) { Console.say("\($0)") }
            if json { return try Console.put(json: Summary(info, folder: folder)) }
            guard let info else {
                return Console.put("there is nothing new since the last snapshot")
            }
            Console.put("\(SnapshotNotice.written(info))")
        } catch let error as JournalError {
            Console.say("\(error)")
            throw error.exitCode
        } catch let error as SnapshotError {
            Console.say("\(error)")
            if case .journal(let error) = error { throw error.exitCode }
            throw Exit.configuration
        }
    }
}
