import ArgumentParser
import Foundation
import Storage

/// `exchequer journal snapshot`.
struct JournalSnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Take a snapshot of what a journal leads to, so that the next start is quick.",
        discussion: """
            Replays the journal from the newest snapshot on, also beside a running server, which \
            takes snapshots by itself. The newest two are kept. Exit code 5 if the journal does \
            not replay.

            EXAMPLES
              exchequer journal snapshot --journal house/journal.sqlite
              exchequer journal snapshot --journal 'postgres:dbname=books' --into books.snapshots
            """)

    @OptionGroup var options: JournalOptions
    @Option(help: "The folder for snapshots. Without it, PLACE.snapshots beside the journal.")
    var into: String?

    func run() throws {
        let (place, journal) = try options.open()
        guard let folder = into ?? place.snapshotFolder else {
            Console.say("--into: a journal in a database has no folder beside it: name one")
            throw Exit.configuration
        }
        do {
            let store = try SnapshotStore(folder: folder)
            let info = try store.take(ofWhole: journal) { Console.say("\($0)") }
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
