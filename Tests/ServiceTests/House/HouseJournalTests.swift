import Clearing
import Foundation
import Logging
import PostgresHarness
import Primitives
import Service
import Storage
import Testing

/// A house whose journal is where it was told, and its folder.
@Suite struct HouseJournalTests {
    private func open(
        _ folder: String, _ journal: JournalPlace?
    ) async throws(HouseError) -> House {
        var configuration = HouseConfiguration(folder: folder, models: [])
        configuration.journal = journal
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try await House.open(configuration, log: log)
    }

    /// Expects that a house does not open, for a reason of this kind with these words.
    private func expectRefusal(
        _ kind: HouseError.Kind, _ words: String, _ folder: String, _ journal: JournalPlace?
    ) async {
        do throws(HouseError) {
            let house = try await open(folder, journal)
            await house.close()
            Issue.record("it opened")
        } catch {
            #expect(error.kind == kind, "\(error)")
            #expect(error.description.contains(words), "\(error)")
        }
    }

    private func place(_ kind: String, _ folder: String) throws -> JournalPlace? {
        switch kind {
        case "sqlite": .sqlite(path: folder + "/elsewhere.sqlite")
        case "file": .file(folder: folder + "/elsewhere")
        case "postgres":
            .postgres(
                conninfo: try PostgresServer.shared().conninfo,
                schema: PostgresServer.freshSchema())
        default: nil
        }
    }

    @Test(arguments: ["usual", "sqlite", "file", "postgres"])
    func aHouseGoesOnWhereItStopped(_ kind: String) async throws {
        let scratch = try Scratch()
        let folder = scratch.folder + "/house"
        let journal = try place(kind, scratch.folder)
        var key: PublicKey?
        var last: (head: JournalHead, hash: Digest)?
        for run in UInt64(1)...3 {
            let house = try await open(folder, journal)
            #expect(key == nil || key == house.key)
            key = house.key
            if let last {
                #expect(house.sequencer.head == last.head)
                #expect(try await house.sequencer.stateHash().hash == last.hash)
            }
            _ = try await house.sequencer.submit(Fixture.register(run)).get()
            last = try await house.sequencer.stateHash()
            await house.close()
        }
        let files = FileManager.default
        #expect(files.fileExists(atPath: folder + "/evidence.sqlite"))
        #expect(files.fileExists(atPath: folder + "/journal.sqlite") == (kind == "usual"))
        let snapshots =
            (journal ?? House.journal(in: folder)).snapshotFolder ?? folder + "/snapshots"
        #expect(files.fileExists(atPath: snapshots))
        let place = journal ?? House.journal(in: folder)
        #expect(try auditJournal(place.openForReading(), expecting: last?.head.point).isSound)
    }

    /// Empty or other books beside the keys, evidence and deposits of a house would be a second
    /// house with its name.
    @Test func aHouseIsNotStartedOnAnotherJournal() async throws {
        let scratch = try Scratch()
        let folder = scratch.folder + "/house"
        let journal = try place("postgres", scratch.folder)
        try await open(folder, journal).close()
        let words = "belongs to the journal whose first batch has hash"
        await expectRefusal(
            .configuration, "no such file; the folder \(folder) \(words)", folder, nil)
        #expect(!FileManager.default.fileExists(atPath: folder + "/journal.sqlite"))
        let other = try place("file", scratch.folder)
        try await open(scratch.folder + "/another house", other).close()
        await expectRefusal(.configuration, "begins with another batch; the folder", folder, other)
        // The right one is opened still, and after the note was moved away any.
        try await open(folder, journal).close()
        try FileManager.default.removeItem(atPath: folder + "/journal.first")
        try await open(folder, other).close()
    }

    @Test func twoHousesCannotShareAJournal() async throws {
        let scratch = try Scratch()
        let journal = try place("postgres", scratch.folder)
        let first = try await open(scratch.folder + "/first", journal)
        await expectRefusal(
            .storage, "in use by another process", scratch.folder + "/second", journal)
        await first.close()
    }

    @Test func aDatabaseThatIsNotThereIsSaid() async throws {
        let scratch = try Scratch()
        let journal = JournalPlace.postgres(
            conninfo: "host=\(scratch.folder) dbname=books", schema: "exchequer")
        await expectRefusal(.network, "cannot be reached", scratch.folder + "/house", journal)
    }
}
