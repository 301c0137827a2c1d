import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Service
import Storage
import Transport

/// Files that commands on channels read and write, and what they stand for.
enum ChannelFiles {
    /// Ends the command if a channel has more splits than a payout has room to guard, even over a
    /// lookup table: nobody could be paid without the risk that a share is lost.
    static func requirePayable(_ terms: ChannelTerms) throws {
        guard case .payment(let channel) = terms else { return }
        let payout = DistributePlan(
            guardingAllOf: channel, sender: SolanaAddress(Digest(words: (0, 0, 0, 1))))
        guard !payout.fitsOverTable else { return }
        Console.say(
            "\(channel.terms.splits.count) splits are too many: a payout with a guard for each "
                + "fits no transaction, and 12 do")
        throw Exit.checkFailed
    }

    /// Ends the command with a refusal's number and sentence.
    static func refuse(_ what: String, _ refusal: ChannelRefusal) -> ExitCode {
        Console.say("\(what): \(refusal)")
        return Exit.checkFailed
    }

    /// The terms in a file.
    static func terms(_ path: String) throws -> ChannelTerms {
        let bytes = try content(path)
        do throws(ChannelRefusal) {
            return try ChannelDocument.terms(bytes)
        } catch {
            throw refuse(path, error)
        }
    }

    /// The voucher in a file, or on standard input for `-`; not checked yet.
    static func voucher(_ path: String, of terms: ChannelTerms) throws -> Voucher {
        let bytes = try content(path)
        do throws(ChannelRefusal) {
            return try ChannelDocument.voucher(bytes, of: terms)
        } catch {
            throw refuse(path, error)
        }
    }

    /// The books in a file, which must be signed as the voucher is and for its sum.
    static func books(
        _ path: String, of terms: ChannelTerms, _ voucher: Voucher
    ) throws -> VoucherBooks {
        let bytes = try content(path)
        do throws(ChannelRefusal) {
            guard case .batch(let channel) = terms else { throw .wrongDomain }
            let books = try ChannelDocument.books(bytes)
            try channel.check(books)
            if books.cumulative == voucher.cumulative { return books }
        } catch {
            throw refuse(path, error)
        }
        Console.say("\(path): these books are of another sum than the voucher's")
        throw Exit.checkFailed
    }

    private static func content(_ path: String) throws -> [UInt8] {
        if path == "-" {
            return Array(try FileHandle.standardInput.read(upToCount: 1 << 20) ?? Data())
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            Console.say("\(path) cannot be read")
            throw Exit.configuration
        }
        return Array(data.prefix(1 << 20))
    }

    /// Writes terms to a file that was not there.
    static func write(_ terms: ChannelTerms, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        do {
            let data = try encoder.encode(ChannelDocument.json(terms)) + Data("\n".utf8)
            try data.write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
        } catch {
            Console.say("\(path) cannot be written: \(error.localizedDescription)")
            throw Exit.configuration
        }
    }

    /// The Ed25519 key in a file.
    static func solanaKey(_ path: String, _ keys: KeyOptions) throws -> Ed25519.PrivateKey {
        try KeyOptions.orExit { () throws(SecretFileError) in try keys.access.identity(in: path) }
    }

    /// The key file of a command on a chain: what a channel's sender signs besides transactions
    /// needs the key itself.
    static func keyFile(_ options: ChainOptions) throws -> String {
        guard let file = options.keyFile else {
            throw ValidationError("A channel is opened and closed with --key-file.")
        }
        return file
    }

    static func solanaAddress(_ text: String) throws -> SolanaAddress {
        guard let address = SolanaAddress(text) else {
            throw ValidationError("\(text) is not an address of Solana.")
        }
        return address
    }

    static func amount(_ text: String) throws -> UInt128 {
        guard let amount = UInt128(text), "\(amount)" == text else {
            throw ValidationError("\(text) is not a whole number of units.")
        }
        return amount
    }

    static func amount64(_ text: String) throws -> UInt64 {
        guard let amount = UInt64(exactly: try amount(text)) else {
            throw ValidationError("\(text) is more than Solana's tokens count to.")
        }
        return amount
    }
}

/// A folder with the vouchers a receiver keeps, for as long as one command works on it.
struct ChannelFolder {
    let path: String
    let store: VoucherStore
    private let log: RecordLog

    /// Opens the folder, and makes it if it is not there.
    init(_ path: String) throws {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
            let log = try RecordLog(
                path: path + "/vouchers.sqlite", owner: "vouchers", hasLock: true)
            self.log = log
            let known = try log.load()
            store = try VoucherStore(
                policy: VoucherPolicy(), state: known.state, records: known.records,
                hooks: VoucherStoreHooks(
                    durable: { try await log.append($0) },
                    alert: { Console.say("alert: \(Self.text($0))") }),
                clock: { .systemNow })
        } catch {
            Console.say("\(path) cannot be used: \(error)")
            throw Exit.configuration
        }
    }

    /// Works with the store; a few thousand records then give way to the state.
    func use(_ work: (VoucherStore) async throws -> Void) async throws {
        let first = log.lastNumber
        let store = store
        let running = Task { try await store.run() }
        defer {
            running.cancel()
            log.close()
        }
        do {
            try await work(store)
        } catch let error as ChainError {
            Console.say("the chain does not answer: \(error)")
            throw Exit.network
        } catch let error as VoucherStoreError {
            switch error {
            case .refused(let refusal): throw ChannelFiles.refuse("refused", refusal)
            case .notDurable, .stopped:
                Console.say("\(path) cannot be written: \(error)")
                throw Exit.disk
            case .damaged:
                Console.say("\(path) is damaged: \(error)")
                throw Exit.checkFailed
            }
        }
        let known = try log.load()
        if known.records.count > 2_000 {
            let (bytes, count) = try await store.state()
            try await log.replace(upTo: first + Int64(count), with: bytes)
        }
    }

    /// One sentence for people.
    static func text(_ alert: ChannelAlert) -> String {
        switch alert {
        case .closing(let id, let deadline, let unclaimed):
            "the payer of \(id.hex) takes its deposit back in second \(deadline); "
                + "\(unclaimed) unclaimed"
        case .deadlineNear(let id, let deadline, let unclaimed):
            "\(unclaimed) of \(id.hex) must be claimed before second \(deadline)"
        case .expiring(let id, let end, let unclaimed):
            "the voucher of \(id.hex) expires in second \(end); \(unclaimed) unclaimed"
        case .lost(let id, let amount): "\(amount) of \(id.hex) can no longer be claimed"
        case .refused(let id): "the claim of \(id.hex) was refused"
        }
    }
}

extension ChannelTerms {
    /// The id as people write it on its chain.
    var name: String {
        switch self {
        case .batch(let channel): "0x" + channel.id.hex
        case .payment(let channel): channel.address.description
        }
    }
}
