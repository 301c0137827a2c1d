import ArgumentParser
import Chains
import Foundation
import Primitives

/// `exchequer channels show`: what is kept, or what the chain says.
struct ChannelsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "List the channels that are kept, or ask the chain about one.",
        discussion: """
            EXAMPLES
              exchequer channels show --store shop --json
              exchequer channels show --channel channel.json --rpc URL
            """)

    @Option(help: "Folder with the vouchers kept.", completion: .directory) var store: String?
    @Option(help: "File with a channel's terms.", completion: .file()) var channel: String?
    @OptionGroup var nodes: NodeOptions
    @Option(help: "EVM: blocks, its own included, until a deposit counts.")
    var confirmations: UInt64 = 1
    @Flag(help: "Print one JSON object.") var json = false

    private struct Sighting: Encodable {
        let channel, phase, deposit, claimed: String
        let deadline: Int64?
        let height: UInt64
    }

    func run() async throws {
        if let channel, !nodes.rpc.isEmpty {
            return try await showChain(try ChannelFiles.terms(channel))
        }
        guard let store, channel == nil else {
            throw ValidationError("Say --store, or --channel and --rpc.")
        }
        let folder = try ChannelFolder(store)
        try await folder.use { store in
            let now = store.now
            let reports = store.look { book in
                book.channels.compactMap { book.entry($0) }.map { ChannelReport($0, at: now) }
            }
            if json { return try Console.put(json: reports) }
            let rows = reports.map {
                [$0.channel, $0.phase, $0.deposit, $0.signed, $0.spent, $0.claimed, $0.unclaimed]
            }
            Console.put(
                Console.table(
                    ["channel", "phase", "deposit", "signed", "spent", "claimed", "unclaimed"],
                    rows))
        }
    }

    private func showChain(_ terms: ChannelTerms) async throws {
        let found = try await ChannelChain.sighting(
            of: terms, nodes, confirmations: confirmations)
        var deadline: Int64?
        let phase: String
        switch found.phase {
        case .open: phase = "open"
        case .closing(let end):
            phase = "closing"
            deadline = end
        case .closed: phase = "closed"
        }
        if json {
            return try Console.put(
                json: Sighting(
                    channel: terms.name, phase: phase, deposit: "\(found.deposit)",
                    claimed: "\(found.claimed)", deadline: deadline, height: found.height))
        }
        let end = deadline.map { ", until second \($0)" } ?? ""
        Console.put(
            "\(terms.name): \(phase)\(end), \(found.deposit) deposited, \(found.claimed) claimed")
    }
}
