import Clearing
import Foundation
import Ledger
import Primitives
import Storage
import Testing

/// The queries of docs/reference/read-model.md run on filled models, of a ledger and of a house.
@Suite struct DocumentedQueriesTests {
    /// The fenced blocks of the page: language and text.
    private static func queries() throws -> [(language: String, sql: String)] {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/reference/read-model.md")
        let parts = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "```")
        return parts.enumerated().compactMap { place, part in
            guard place % 2 == 1, let end = part.firstIndex(of: "\n") else { return nil }
            return (String(part[..<end]), String(part[part.index(after: end)...]))
        }
    }

    private func run(_ journal: any Journal, on model: ModelUnderTest) throws -> [[[String]]] {
        try fillReadModel(from: journal, into: model.place)
        let own = model.schema == nil ? "sqlite" : "postgres"
        let queries = try Self.queries().filter { $0.language == "sql" || $0.language == own }
        #expect(queries.count >= 13)
        return try queries.map { try model.rows($0.sql) }
    }

    @Test("On a ledger's model") func ledger() throws {
        let journal = MemoryJournal()
        var books = LedgerBooks(seed: 4)
        try books.write(80, to: journal)
        for model in [try ModelUnderTest.sqlite(), try .postgres()] {
            let answers = try run(journal, on: model)
            #expect(answers[0].first?.prefix(2) == ["ledger", "80"])
            #expect(answers[1].count == 6)
            #expect(answers.count { !$0.isEmpty } >= 7)
        }
    }

    @Test("On a house's model, which equals the house") func house() throws {
        let history = try History()
        let journal = MemoryJournal()
        try history.write(to: journal)
        for model in [try ModelUnderTest.sqlite(), try .postgres()] {
            let answers = try run(journal, on: model)
            #expect(answers[0].first?.first == "house")
            try model.expectEqual(history.house.ledger) { _ in true }
            let jobs = try model.rows("SELECT id, buyer, state, cost, hold FROM job ORDER BY id")
            #expect(
                jobs
                    == history.house.jobs.map {
                        [
                            "\($0.id)", "\($0.demand.buyer)", "\($0.state)", "\($0.cost)",
                            "\($0.hold)",
                        ]
                    })
            let parties = try model.rows("SELECT id, address FROM party ORDER BY id")
            #expect(parties == history.house.parties.map { ["\($0.id)", $0.address.hex] })
            #expect(try model.rows("SELECT job, party FROM job_stage") == [["1", "1"]])
        }
    }
}
