import Foundation
import Storage
import Testing

/// How a journal is named on a command line.
@Suite struct JournalPlaceTests {
    @Test(
        "Every way to name a journal",
        arguments: [
            ("sqlite:a/b.sqlite", JournalPlace.sqlite(path: "a/b.sqlite")),
            ("sqlite:odd:name", .sqlite(path: "odd:name")),
            ("file:a/b", .file(folder: "a/b")),
            ("/nowhere/at:all", .sqlite(path: "/nowhere/at:all")),
            ("new.sqlite", .sqlite(path: "new.sqlite")),
            (
                "postgres:host=h dbname=d",
                .postgres(conninfo: "host=h dbname=d", schema: "exchequer")
            ),
            (
                "postgres:host=h password=a#b#books",
                .postgres(conninfo: "host=h password=a#b", schema: "books")
            ),
            (
                "postgresql://u@h/d#books",
                .postgres(conninfo: "postgresql://u@h/d", schema: "books")
            ),
            (
                "postgres:postgresql://u@h/d",
                .postgres(conninfo: "postgresql://u@h/d", schema: "exchequer")
            ),
        ])
    func reads(text: String, expected: JournalPlace) throws {
        #expect(try JournalPlace(text) == expected)
    }

    @Test(
        "What names no journal is refused, without passwords",
        arguments: [
            "", "sqlite:", "file:", "mysql:host=h", "postgres:host", "postgres:host=h#Upper",
            "postgres:host=h#", "postgres:password='secret", "a\0b",
        ])
    func refuses(text: String) throws {
        let error = #expect(throws: JournalError.self) { try JournalPlace(text) }
        #expect(error.map { "\($0)".contains("secret") } == false)
    }

    @Test("A bare path to a folder is a folder of append files")
    func detectsFolders() throws {
        let folder = NSTemporaryDirectory() + "exchequer-place-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try JournalPlace(folder) == .file(folder: folder))
        let place = try JournalPlace("\(folder)/books")
        #expect(place == .sqlite(path: "\(folder)/books"))
        #expect(throws: JournalError.cannotOpen("\(folder)/books", "there is no such file")) {
            try place.openForReading()
        }
        try place.openForWriting().close()
        #expect(try place.openForReading().head == .empty)
        let files = try JournalPlace("file:\(folder)/files")
        try files.openForWriting().close()
        #expect(try files.openForReading().head == .empty)
        #expect(throws: JournalError.self) { try files.openForWriting(takeOver: true) }
    }

    @Test("A standby's copy is not written before it is promoted, and then in a newer term")
    func keepsStandbysCopies() throws {
        let folder = NSTemporaryDirectory() + "exchequer-place-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let places: [JournalPlace] = [
            .file(folder: folder + "/files/"), .sqlite(path: folder + "/file"),
        ]
        for place in places {
            let path = try #require(place.standbyMark)
            #expect(path.hasPrefix(folder + "/file") && path.hasSuffix(".standby"))
            var mark = StandbyMark()
            try mark.write(to: path)
            try place.openForWriting().close()
            mark.term = 7
            try mark.write(to: path)
            let error = #expect(throws: JournalError.self) { try place.openForWriting() }
            #expect(error.map { "\($0)".contains("it is a standby's copy") } == true)
            try place.openForWriting(leastTerm: 7).close()
            mark.isPromoted = true
            try mark.write(to: path)
            let journal = try place.openForWriting()
            #expect(journal.term == 8)
            try journal.close()
        }
    }

    @Test("A place in a database is shown without its password")
    func showsNoPassword() throws {
        let place = try JournalPlace("postgres:host=h dbname=d password=secret#books")
        #expect(place.description == "PostgreSQL at h, database d, schema books")
    }
}
