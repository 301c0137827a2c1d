import Foundation
import Ledger
import LedgerServer
import Testing

/// The pages of the reference name every number that a client may see, in order of precedence.
@Suite struct LedgerDocumentTests {
    private struct Row: Equatable {
        let number: UInt32
        let name: String
    }

    /// The rows with a number and a name of the tables below a heading.
    private func rows(_ page: String, below heading: String) throws -> [Row] {
        let repository = URL(filePath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let file = repository.appending(path: "docs/reference/\(page)")
        let lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
        let start = try #require(lines.firstIndex { $0.hasPrefix("#") && $0.hasSuffix(heading) })
        return lines[(start + 1)...].prefix { !$0.hasPrefix("#") }.compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count > 1, let number = UInt32(cells[0]), cells[1].hasPrefix("`") else {
                return nil
            }
            return Row(number: number, name: cells[1].trimmingCharacters(in: ["`"]))
        }
    }

    private func rows<Code: CaseIterable & RawRepresentable>(_ codes: Code.Type) -> [Row]
    where Code.RawValue: BinaryInteger {
        codes.allCases.map { Row(number: UInt32($0.rawValue), name: "\($0)") }
    }

    /// Those for importing are named by a range of numbers, and never answered.
    private func isOffered(_ row: Row) -> Bool { !row.name.hasPrefix("imported") }

    @Test func everyStatusHasItsRow() throws {
        let page = "ledger.md"
        let accounts = try rows(page, below: "Statuses of accounts, in order of precedence")
        #expect(accounts == rows(CreateAccountStatus.self).filter(isOffered))
        let transfers = try rows(page, below: "Statuses of transfers, in order of precedence")
        #expect(transfers == rows(CreateTransferStatus.self).filter(isOffered))
        #expect(try rows(page, below: "Queries") == rows(QueryRefusal.self))
    }

    @Test func everyOperationAndRefusalHasItsRow() throws {
        let page = "ledger-protocol.md"
        #expect(try rows(page, below: "Refusals") == rows(LedgerRefusal.self))
        #expect(try rows(page, below: "Binary protocol, version 1") == rows(LedgerOperation.self))
    }
}
