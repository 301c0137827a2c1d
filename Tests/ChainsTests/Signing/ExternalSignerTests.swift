import Chains
import Cryptography
import Foundation
import Glibc
import Primitives
import Synchronization
import Testing
import Transport

/// The house's side of a signer, over real sockets.
@Suite struct ExternalSignerTests {
    private let bench: SignerBench
    private let path = "\(FileManager.default.temporaryDirectory.path())/s-\(UUID().uuidString)"

    init() throws { bench = try SignerBench() }

    private func signer(
        timeout: Duration = .seconds(5), users: Set<UInt32> = [getuid()]
    ) -> ExternalEVMSigner {
        var socket = SignerSocket(path: path)
        socket.timeout = timeout
        socket.users = users
        return ExternalEVMSigner(address: bench.key.address, socket: socket)
    }

    private var transaction: EVMTransaction {
        bench.transaction(1, SignerBench.root(usd: 1_050))
    }

    private func failure(_ signer: some EVMSigner) async -> SigningFailure? {
        do throws(SigningFailure) {
            _ = try await signer.signature(of: transaction)
            return nil
        } catch {
            return error
        }
    }

    @Test func aSignatureComesOverTheSocketAndARefusalKeepsItsNumber() async throws {
        let desk = try bench.desk()
        let listener = try UnixListener(path: path, users: [getuid()])
        defer { listener.stop() }
        listener.serve { desk.answer($0) }
        let signer = signer()
        let signature = try await signer.signature(of: transaction)
        #expect(signature.recover(transaction.signingHash) == bench.key.address)
        #expect(try await SignerSocket(path: path).keys().count == 2)
        let foreign = ExternalEVMSigner(address: .zero, socket: SignerSocket(path: path))
        guard case .refused(let refusal)? = await failure(foreign) else {
            Issue.record("a key that is not there signed")
            return
        }
        #expect(refusal.code == SignerCode.noSuchKey.rawValue)
        let payer = ExternalSolanaSigner(
            address: bench.identity.address, socket: SignerSocket(path: path))
        let message = try SolanaMessage(
            [.computeLimit(1)], payer: bench.identity.address, blockhash: .zero)
        let signed = try await payer.signature(of: message)
        #expect(bench.identity.publicKey.verifies(signed, of: message.bytes))
        // Many at a time, each its own answer.
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<100 {
                group.addTask { try await signer.signature(of: transaction) == signature }
            }
            for try await isSame in group { #expect(isSame) }
        }
    }

    @Test func whatTheSignerSaysIsNotBelievedUnchecked() async throws {
        let other = try SignerBench(
            key: Secp256k1.PrivateKey([UInt8](repeating: 5, count: 32)))
        let good = String(decoding: try bench.desk().answer(request("z")), as: UTF8.self)
        let said = Mutex("")
        let listener = try UnixListener(path: path, users: [getuid()])
        defer { listener.stop() }
        listener.serve { _ in Array(said.withLock { $0 }.utf8) }
        let wrong = other.key.sign(transaction.signingHash).bytes
        for text in [
            "", "{}", good, #"{"v":1,"id":"?","signature":"0x\#(Hex.encode(wrong))"}"#,
            #"{"v":1,"id":"?"}"#, #"{"v":1,"id":"?","signature":"0x00"}"#,
            #"{"v":2,"id":"?","keys":[]}"#,
        ] {
            said.withLock { $0 = text }
            #expect(await failure(signer()) == .badAnswer, "\(text)")
        }
        said.withLock { $0 = String(repeating: "x", count: 100_000) }
        #expect(await failure(signer()) == .noAnswer("\(UnixSocketError.tooLong)"))
    }

    private func request(_ id: String) throws -> [UInt8] {
        Array(#"{"v":1,"id":"\#(id)","method":"keys"}"#.utf8)
    }

    @Test func silenceAndAbsenceAreNoAnswer() async throws {
        #expect(await failure(signer()) == .noAnswer("nobody listens at \(path)"))
        let listener = try UnixListener(path: path, users: [getuid()])
        listener.serve { _ in
            Thread.sleep(forTimeInterval: 0.5)
            return []
        }
        #expect(
            await failure(signer(timeout: .milliseconds(50)))
                == .noAnswer("\(UnixSocketError.timedOut)"))
        #expect(throws: UnixSocketError.inUse(path)) {
            try UnixListener(path: path, users: [getuid()])
        }
        listener.stop()
        #expect(!FileManager.default.fileExists(atPath: path))
        // What a killed signer leaves behind does not keep the next one out.
        try Data().write(to: URL(filePath: path + "x"))
        #expect(throws: UnixSocketError.unreachable(path + "x")) {
            try UnixListener(path: path + "x", users: [getuid()])
        }
        try FileManager.default.removeItem(atPath: path + "x")
        let long = path + String(repeating: "y", count: 100)
        #expect(throws: UnixSocketError.unreachable(long)) {
            try UnixListener(path: long, users: [getuid()])
        }
    }

    @Test func anotherUsersProcessIsNotBelievedAndToldNothing() async throws {
        let asked = Mutex(0)
        let listener = try UnixListener(path: path, users: [getuid()])
        listener.serve { _ in
            asked.withLock { $0 += 1 }
            return []
        }
        let stranger = UnixSocketError.stranger(getuid())
        #expect(await failure(signer(users: [getuid() + 1])) == .noAnswer("\(stranger)"))
        #expect(asked.withLock { $0 } == 0)
        var status = stat()
        #expect(unsafe lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        listener.stop()
        let closed = try UnixListener(path: path, users: [getuid() + 1])
        defer { closed.stop() }
        closed.serve { _ in
            asked.withLock { $0 += 1 }
            return []
        }
        #expect(await failure(signer()) == .noAnswer("\(UnixSocketError.closed)"))
        #expect(asked.withLock { $0 } == 0)
        #expect(unsafe lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o666)
    }

    @Test func aBookHasOneOwnerAndOutlivesItWhole() throws {
        let file = try SigningFile(path: path)
        #expect(throws: SigningFileError.self) { try SigningFile(path: path) }
        #expect(try file.load() == SigningBook())
        let desk = try bench.desk()
        _ = try desk.ask(transaction, key: bench.key.address)
        try file.save(bench.book)
        #expect(try file.load() == bench.book && bench.book != SigningBook())
        let whole = try #require(FileManager.default.contents(atPath: path))
        for place in stride(from: 0, to: whole.count, by: 11) {
            var other = whole
            other[place] ^= 4
            try other.write(to: URL(filePath: path))
            #expect(throws: SigningFileError.self) { try file.load() }
            try whole.prefix(place).write(to: URL(filePath: path))
            #expect(throws: SigningFileError.self) { try file.load() }
        }
        for name in [path, path + ".lock"] { try FileManager.default.removeItem(atPath: name) }
    }
}
