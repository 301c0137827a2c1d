import ArgumentParser
import Chains
import Foundation
import Primitives
import Transport

/// `exchequer channels accept`: takes a voucher, and writes it down before it says so.
struct ChannelsAcceptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept",
        abstract: "Check a voucher and keep it; give service only when this ends with 0.",
        discussion: """
            The channel's state is read from the chain when --rpc is given, and must be once for a \
            channel that is not kept yet. Give --rpc several times, with endpoints of different \
            operators: then no one of them alone can make up a deposit. A voucher that is refused \
            ends with 5 and a number of docs/reference/channels.md. With --books it must be \
            signed for the same sum under which books that was promised; what their journal says, \
            exchequer audit --expect tells.

            EXAMPLES
              exchequer channels accept --store shop --channel channel.json --rpc URL \
            --voucher v.json --spends 500
            """)

    @Option(help: "Folder with the vouchers kept.", completion: .directory) var store: String
    @Option(help: "File with the channel's terms.", completion: .file()) var channel: String
    @Option(help: "File with the voucher, or - for standard input.", completion: .file())
    var voucher: String
    @Option(
        help: "File with the books that the voucher is signed under, as a house gives them.",
        completion: .file())
    var books: String?
    @Option(help: "How much of it is spent by what it pays for.") var spends = "0"
    @OptionGroup var nodes: NodeOptions
    @Option(help: "EVM: blocks, its own included, until a deposit counts.")
    var confirmations: UInt64 = 1
    @Flag(help: "Print one JSON object.") var json = false

    func run() async throws {
        let terms = try ChannelFiles.terms(channel)
        let document = try ChannelFiles.voucher(voucher, of: terms)
        let price = try ChannelFiles.amount(spends)
        let books = try books.map { try ChannelFiles.books($0, of: terms, document) }
        var sighting: ChannelSighting?
        if !nodes.rpc.isEmpty {
            sighting = try await ChannelChain.sighting(
                of: terms, nodes, confirmations: confirmations)
        }
        let input = VoucherInput.accepted(document, spends: price)
        let folder = try ChannelFolder(store)
        try await folder.use { store in
            let isKept = store.look { $0.entry(terms.id) != nil }
            if !isKept { try ChannelFiles.requirePayable(terms) }
            if let sighting {
                try await store.take(
                    isKept ? .seen(terms.id, sighting) : .opened(terms, sighting))
            } else if !isKept {
                Console.say("the channel is not kept yet: say with --rpc where it is looked up")
                throw Exit.configuration
            }
            try await store.take(input)
            guard let entry = store.look({ $0.entry(terms.id) }) else { return }
            if json {
                return try Console.put(json: ChannelReport(entry, books, at: store.now))
            }
            Console.put("\(terms.name): \(document.cumulative) taken, \(entry.spent) spent")
            guard let books else { return }
            Console.put("its books are \(books.sequence):\(books.books.journalHead.hex)")
        }
    }
}

/// What a store says of a channel.
struct ChannelReport: Encodable {
    let channel, rail, phase, deposit, claimed, signed, spent, unclaimed: String
    let deadline, expires: Int64?
    let claiming: Bool
    /// Under which books what was taken now is signed, if they were given.
    let sequence, journal_head, liabilities_root: String?

    init(_ entry: VoucherEntry, _ books: VoucherBooks? = nil, at now: Int64) {
        sequence = books.map { "\($0.sequence)" }
        journal_head = books?.books.journalHead.hex
        liabilities_root = books?.books.liabilities.hex
        channel = entry.terms.name
        rail =
            switch entry.terms {
            case .batch(let channel): "eip155:\(channel.chainID)"
            case .payment: "solana"
            }
        var deadline: Int64?
        switch entry.sighting.phase {
        case .open: phase = "open"
        case .closing(let end):
            phase = "closing"
            deadline = end
        case .closed: phase = "closed"
        }
        self.deadline = deadline
        deposit = "\(entry.sighting.deposit)"
        claimed = "\(entry.sighting.claimed)"
        signed = "\(entry.best?.cumulative ?? 0)"
        spent = "\(entry.spent)"
        unclaimed = "\(entry.unclaimed(at: now))"
        expires = entry.best.flatMap { $0.expiresAt == 0 ? nil : $0.expiresAt }
        claiming = entry.claim != nil
    }
}
