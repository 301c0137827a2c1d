import Foundation
import Ledger
import LedgerServer
import Primitives
import Service
import Storage
import Testing

/// The binary protocol on a Unix socket: for this user alone, and never over what others own.
@Suite(.timeLimit(.minutes(5))) struct UnixSocketTests {
    private func atPlace(_ body: (String) async throws -> Void) async throws {
        let folder =
            FileManager.default.temporaryDirectory.path() + "/s\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body("\(folder)/books")
    }

    @Test func bothWaysLeadToOneLedger() async throws {
        try await atPlace { path in
            let running = try await RunningLedger(socket: path)
            let near = try LedgerClient(socket: path).withPatience()
            let account = Account(id: AccountID(7), ledger: 1, code: 1)
            #expect(try near.createAccounts([account]).map(\.status) == [.created])
            #expect(try running.client().createAccounts([account]).map(\.status) == [.exists])
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
            #expect(mode as? Int == 0o600)
            await running.end()
        }
    }

    @Test func whatADeadServerLeftIsReplaced() async throws {
        try await atPlace { path in
            let first = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &address.sun_path) {
                unsafe $0.copyBytes(from: path.utf8)
            }
            let bound = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(first, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(bound == 0)
            close(first)
            let running = try await RunningLedger(socket: path)
            _ = try LedgerClient(socket: path).withPatience().ask(.head, [])
            await running.end()
        }
    }

    @Test func aServerThatRunsAndFilesOfOthersStay() async throws {
        try await atPlace { path in
            let running = try await RunningLedger(socket: path)
            await #expect(throws: (any Error).self) { try await RunningLedger(socket: path) }
            _ = try LedgerClient(socket: path).withPatience().ask(.head, [])
            await running.end()

            let file = path + ".txt"
            try Data("mine".utf8).write(to: URL(filePath: file))
            await #expect(throws: (any Error).self) { try await RunningLedger(socket: file) }
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "mine")
        }
    }

    @Test func aPathThatIsTooLongIsRefused() async throws {
        let path = "/tmp/" + String(repeating: "x", count: 108)
        await #expect(throws: (any Error).self) { try await RunningLedger(socket: path) }
        #expect(throws: LedgerClientError.disconnected("\(path) is too long for a socket")) {
            try LedgerClient(socket: path)
        }
    }
}
