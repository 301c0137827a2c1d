import ArgumentParser
import Chains
import Clearing
import Cryptography
import Foundation
import Primitives
import Storage
import Transport

/// `exchequer pool leaves`: the leaves of the root that pays, out of a house's journal.
struct PoolLeavesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leaves",
        abstract: "Print the leaves of the root that pays, out of a copy of a house's journal.",
        discussion: """
            For when there is no house to ask: with the file that this prints anybody can have \
            anybody paid (exchequer pool claim --leaves). The journal is replayed, and its leaves \
            are those of the root that the pool has, or nothing is printed.

            EXAMPLES
              exchequer pool leaves --data house --rpc URL --pool POOL > owed.csv
              exchequer pool claim --rpc URL --key-file any.key --pool POOL --leaves owed.csv \\
                  --owner ADDRESS
            """)

    @Option(help: "The folder of a house, or a copy of it.", completion: .directory)
    var data: String
    @Option(help: "Its journal, if serve was given another place.") var journal: String?
    @Option(help: "The cluster's JSON-RPC endpoint.") var rpc: String
    @Option(help: "The pool.") var pool: String

    func run() async throws {
        let state = try await PoolSession.state(
            of: ChannelFiles.solanaAddress(pool), on: SolanaChain(rpc: JSONRPC(url: rpc)), rpc)
        guard let paying = state.active else {
            Console.say("no root pays yet")
            throw ExitCode.failure
        }
        let leaves = try leaves(of: paying, in: state.pool)
        Console.put(
            (["owner,cumulative"] + leaves.map { "\($0.owner),\($0.cumulative)" })
                .joined(separator: "\n"))
    }

    /// The leaves that lead to a root. O(commands), and O(leaves) for each root of the journal from
    /// the last one back.
    private func leaves(
        of root: PayoutRoot, in pool: PayoutPool
    ) throws -> [(owner: SolanaAddress, cumulative: UInt64)] {
        var replay = HouseReplay()
        let place = try JournalOptions.place(ofHouse: data, journal)
        do throws(JournalError) {
            let journal = try place.openForReading()
            defer { try? journal.close() }
            _ = try journal.recover { (batch, entries) throws(JournalError) in
                try replay.apply(batch, entries)
            }
        } catch {
            Console.say("the journal does not hold: \(error)")
            throw error.exitCode
        }
        let house = replay.machine
        for dispersal in house.dispersals.reversed()
        where dispersal.root?.pool == pool.address.value {
            let leaves = house.poolLeaves(of: dispersal.id).map {
                (SolanaAddress($0.owner), UInt64(clamping: $0.cumulative))
            }
            let tree = ClaimTree(leaves: leaves.map { pool.leaf(of: $0.0, cumulative: $0.1) })
            if tree.root == root.root { return leaves }
        }
        Console.say(
            "no root of the journal is the one that pays, \(root.root.hex): the copy is older, or "
                + "of another house")
        throw Exit.checkFailed
    }
}
