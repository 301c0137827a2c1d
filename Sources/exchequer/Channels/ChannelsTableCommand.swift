import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// `exchequer channels table`: the lookup table over which five channels fit a transaction.
struct ChannelsTableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table",
        abstract: "Keep a lookup table of the store's channels on Solana.",
        discussion: """
            With it five channels are settled a transaction, without it four. It also holds the \
            accounts of channels with so many splits that their payout fits no transaction \
            without. Its address is in the store's folder (lookup-table), where exchequer \
            channels claim and close find it. Its rent, 0.0013 SOL and 0.00022 for each address, \
            comes back when it is closed.

            EXAMPLES
              exchequer channels table make --store shop --rpc URL --key-file shop.key
              exchequer channels table extend --store shop --rpc URL --key-file shop.key
              exchequer channels table show --store shop --rpc URL
              exchequer channels table close --store shop --rpc URL --key-file shop.key
            """,
        subcommands: [Make.self, Extend.self, Show.self, Close.self])

    struct Make: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "make",
            abstract: "Make a table and fill it with the store's open channels.",
            discussion: """
                EXAMPLES
                  exchequer channels table make --store shop --rpc URL --key-file shop.key
                """)

        @OptionGroup var options: TableOptions

        func run() async throws {
            let key = try options.key()
            let authority = SolanaAddress(key.publicKey)
            if let known = try ChannelTable.address(in: options.store) {
                Console.say("there is the table \(known): extend or close it")
                throw Exit.configuration
            }
            let slot: UInt64
            do throws(ChainError) {
                slot = try await SolanaChain(rpc: JSONRPC(url: options.rpc)).slot(.finalized)
            } catch {
                throw PoolSession.fail(error, options.rpc)
            }
            let (table, make) = SolanaInstruction.makeLookupTable(
                at: slot, authority: authority, payer: authority)
            // Written down first: the rent that lies there is found by the address alone.
            try ChannelTable.write(table, in: options.store)
            try await ChannelChain.send([make], "make", rpc: options.rpc, payer: key)
            try await options.extend(table, with: key)
        }
    }

    struct Extend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "extend",
            abstract: "Add the store's channels that the table does not have.",
            discussion: """
                EXAMPLES
                  exchequer channels table extend --store shop --rpc URL --key-file shop.key
                """)

        @OptionGroup var options: TableOptions

        func run() async throws {
            try await options.extend(
                try ChannelTable.known(in: options.store), with: try options.key())
        }
    }

    struct Close: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "close",
            abstract: "Take the table out of use, and once nobody can name it close it.",
            discussion: """
                Run it again after 513 slots, some four minutes: then the rent comes back.

                EXAMPLES
                  exchequer channels table close --store shop --rpc URL --key-file shop.key
                """)

        @OptionGroup var options: TableOptions

        func run() async throws {
            let key = try options.key()
            let authority = SolanaAddress(key.publicKey)
            let address = try ChannelTable.known(in: options.store)
            let chain = SolanaChain(rpc: JSONRPC(url: options.rpc))
            guard let found = try await ChannelTable.read(address, chain, options.rpc) else {
                try ChannelTable.forget(in: options.store)
                return try options.report(address, "closed", 0)
            }
            guard let since = found.deactivatedAt else {
                try await ChannelChain.send(
                    [.deactivateLookupTable(address, authority: authority)], "deactivate",
                    rpc: options.rpc, payer: key)
                return try options.report(address, "closing", found.entries.count)
            }
            let slot = try await chain.slot(.finalized)
            guard slot > since, slot - since > ChannelTable.cooldown else {
                Console.say(
                    "transactions may name it until slot "
                        + "\(since + ChannelTable.cooldown + 1): run it again then")
                return try options.report(address, "closing", found.entries.count)
            }
            try await ChannelChain.send(
                [.closeLookupTable(address, authority: authority, refund: authority)], "close",
                rpc: options.rpc, payer: key)
            try ChannelTable.forget(in: options.store)
            try options.report(address, "closed", 0)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show the store's table and what it holds.",
            discussion: """
                EXAMPLES
                  exchequer channels table show --store shop --rpc URL --json
                """)

        @Option(help: "Folder with the vouchers kept.", completion: .directory) var store: String
        @Option(help: "The cluster's JSON-RPC endpoint.") var rpc: String
        @Flag(help: "Print one JSON object.") var json = false

        private struct Report: Encodable {
            let table: String
            let deactivated_at: UInt64?
            let entries: [String]
        }

        func run() async throws {
            let address = try ChannelTable.known(in: store)
            let chain = SolanaChain(rpc: JSONRPC(url: rpc))
            guard let found = try await ChannelTable.read(address, chain, rpc) else {
                Console.say("\(address) is not there: it was closed, or never made")
                throw ExitCode.failure
            }
            let report = Report(
                table: address.description, deactivated_at: found.deactivatedAt,
                entries: found.entries.map(\.description))
            if json { return try Console.put(json: report) }
            let state = found.deactivatedAt == nil ? "in use" : "on its way out"
            Console.put("\(address), \(state): \(found.entries.count) addresses")
            for entry in report.entries { Console.put(entry) }
        }
    }
}

/// The store, the cluster and the key of commands on its table.
struct TableOptions: ParsableArguments {
    @Option(help: "Folder with the vouchers kept.", completion: .directory) var store: String
    @Option(help: "The cluster's JSON-RPC endpoint.") var rpc: String
    @Option(help: "File with the key that owns the table and pays.", completion: .file())
    var keyFile: String
    @OptionGroup var keys: KeyOptions
    @Option(help: "The owner that the program sends rounding to.")
    var treasury = PaymentChannel.standardTreasury.description
    @Flag(help: "Print one JSON object.") var json = false

    private struct Report: Encodable {
        let table, state: String
        let entries: Int
    }

    func key() throws -> Ed25519.PrivateKey { try ChannelFiles.solanaKey(keyFile, keys) }

    func report(_ table: SolanaAddress, _ state: String, _ entries: Int) throws {
        let report = Report(table: table.description, state: state, entries: entries)
        if json { return try Console.put(json: report) }
        Console.put("\(table): \(state), \(entries) addresses")
    }

    /// Adds what the store's open channels need and the table does not have, 20 a transaction.
    func extend(_ table: SolanaAddress, with key: Ed25519.PrivateKey) async throws {
        let chain = SolanaChain(rpc: JSONRPC(url: rpc))
        guard let found = try await ChannelTable.read(table, chain, rpc),
            found.deactivatedAt == nil
        else {
            Console.say("the table \(table) is not in use: close it, then make another")
            throw Exit.configuration
        }
        let authority = SolanaAddress(key.publicKey)
        var held = Set(found.entries)
        let missing = try await wanted(by: authority).filter { held.insert($0).inserted }
        let room = max(ChannelTable.capacity - found.entries.count, 0)
        if missing.count > room {
            Console.say("\(missing.count - room) addresses do not fit: a table holds 256")
        }
        let added = Array(missing.prefix(room))
        for start in stride(from: 0, to: added.count, by: ChannelTable.perTransaction) {
            let part = added[start...].prefix(ChannelTable.perTransaction)
            try await ChannelChain.send(
                [
                    .extendLookupTable(
                        table, by: Array(part), authority: authority, payer: authority)
                ], "extend", rpc: rpc, payer: key)
        }
        try report(table, "in use", found.entries.count + added.count)
    }
}

extension TableOptions {
    /// What transactions about the store's open channels name: the instructions sysvar, the
    /// channels, and all of a guarded payout that does not fit without.
    private func wanted(by sender: SolanaAddress) async throws -> [SolanaAddress] {
        var channels: [PaymentChannel] = []
        try await ChannelFolder(store).use { store in
            channels = store.look { book in
                book.channels.compactMap { id in
                    guard let entry = book.entry(id), case .payment(let channel) = entry.terms,
                        entry.sighting.phase != .closed
                    else { return nil }
                    return channel
                }
            }
        }
        let treasury = try ChannelFiles.solanaAddress(treasury)
        let payouts = channels.map {
            DistributePlan(guardingAllOf: $0, treasury: treasury, sender: sender)
        }
        return [.instructions] + channels.map(\.address)
            + payouts.filter { !$0.fits() }.flatMap(\.lookups)
    }
}

/// Where a store's folder keeps its table's address.
enum ChannelTable {
    /// Addresses a table holds at most, and those that one transaction adds.
    static let capacity = 256
    static let perTransaction = 20
    /// Slots after which a table that is out of use is no longer named by anybody.
    static let cooldown: UInt64 = 513

    /// A table as it is on chain.
    struct State {
        let entries: [SolanaAddress]
        let deactivatedAt: UInt64?
    }

    private static func file(in store: String) -> String { store + "/lookup-table" }

    /// The table's address; `nil` if the store has none.
    static func address(in store: String) throws -> SolanaAddress? {
        let file = file(in: store)
        guard let data = FileManager.default.contents(atPath: file) else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        guard let address = SolanaAddress(text.trimmingCharacters(in: .whitespacesAndNewlines))
        else {
            Console.say("\(file) does not hold an address: look at it, then move it away")
            throw Exit.configuration
        }
        return address
    }

    /// The table's address, which must be there.
    static func known(in store: String) throws -> SolanaAddress {
        guard let address = try address(in: store) else {
            Console.say("\(store) has no table: make one with exchequer channels table make")
            throw Exit.configuration
        }
        return address
    }

    static func write(_ table: SolanaAddress, in store: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: store, withIntermediateDirectories: true)
            try Data("\(table)\n".utf8).write(
                to: URL(fileURLWithPath: file(in: store)), options: .atomic)
        } catch {
            Console.say("\(file(in: store)) cannot be written: \(error.localizedDescription)")
            throw Exit.configuration
        }
    }

    static func forget(in store: String) throws {
        try FileManager.default.removeItem(atPath: file(in: store))
    }

    /// The table of this address, or else that of a store, as what transactions look up in. Ends
    /// the command if there should be one and is none.
    static func usable(
        _ given: String?, in store: String?, _ cluster: SolanaNodes
    ) async throws -> [SolanaLookupTable] {
        let named = try given.map(ChannelFiles.solanaAddress)
        guard let address = try named ?? store.flatMap(address) else { return [] }
        let account = try await cluster.agreed { node throws(ChainError) in
            try await node.accounts([address])[0]
        }
        guard let account, let table = SolanaLookupTable(account, at: address) else {
            Console.say(
                "\(address) is not a lookup table: close it with exchequer channels table close")
            throw Exit.configuration
        }
        return [table]
    }

    /// The table as the cluster has it; `nil` if there is none.
    static func read(
        _ address: SolanaAddress, _ chain: SolanaChain, _ rpc: String
    ) async throws -> State? {
        do throws(ChainError) {
            guard let account = try await chain.accounts([address])[0],
                let table = SolanaLookupTable(account, at: address)
            else { return nil }
            // `LookupTableMeta`: after a kind of four bytes the slot of deactivation, or the
            // greatest number.
            let slot = account.data[4..<12].reversed().reduce(0) { $0 << 8 | UInt64($1) }
            return State(
                entries: table.entries, deactivatedAt: slot == .max ? nil : slot)
        } catch {
            throw PoolSession.fail(error, rpc)
        }
    }
}
