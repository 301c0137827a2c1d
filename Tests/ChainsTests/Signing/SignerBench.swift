import Chains
import Cryptography
import Foundation
import Primitives
import Synchronization
import Testing
import Transport

/// A signer with one key that may settle on one contract, and what it was asked and wrote.
final class SignerBench: Sendable {
    struct Full: Error {}

    private struct State {
        var book = SigningBook()
        var decisions: [SignerDesk.Decision] = []
        var now: UInt64 = 20_000 * 86_400 + 100
        var isFull = false
        var saves = 0
    }

    static let contract = EVMAddress([UInt8](repeating: 0xC0, count: 20)) ?? .zero
    static let usd = EVMAddress([UInt8](repeating: 0xD0, count: 20)) ?? .zero
    static let tly = EVMAddress([UInt8](repeating: 0xD1, count: 20)) ?? .zero
    private static let disperse = "disperse(address,bytes32,address[],uint256[])"
    private static let approve = "approve(address,uint256)"
    private static let root = "commitRoot(uint256,bytes32,uint256,uint256,bytes32,bytes32)"
    private static let slash = "slash(address,uint256,uint256,bytes32)"

    let key: Secp256k1.PrivateKey
    let identity: Ed25519.PrivateKey
    private let mints: [SolanaAddress]
    private let chains: [UInt64]
    private let contracts: [EVMAddress]
    private let state = Mutex(State())

    init(
        key: Secp256k1.PrivateKey? = nil, chains: [UInt64] = [31_337],
        contracts: [EVMAddress] = [SignerBench.contract], mints: [SolanaAddress] = []
    ) throws {
        self.key = try key ?? #require(Secp256k1.PrivateKey([UInt8](repeating: 7, count: 32)))
        identity = try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: 8, count: 32)))
        self.chains = chains
        self.contracts = contracts
        self.mints = mints
    }

    var book: SigningBook { state.withLock { $0.book } }
    var decisions: [SignerDesk.Decision] { state.withLock { $0.decisions } }
    var saves: Int { state.withLock { $0.saves } }

    func pass(days: Int64) {
        state.withLock { $0.now = UInt64(Int64($0.now) + days * 86_400) }
    }

    func fill(_ isFull: Bool) { state.withLock { $0.isFull = isFull } }

    /// The policies' file: a transaction costs at most 0.01 coins and moves at most 100 dollars and
    /// 10 tallies; a day takes 0.025, 250 and 20.
    func policies(_ change: (String) -> String = { $0 }) throws -> SigningPolicies {
        var calls = contracts.map {
            #""\#($0.hex)": ["\#(Self.root)", "\#(Self.slash)", "\#(Self.disperse)"]"#
        }
        calls += [Self.usd, Self.tly].map { #""\#($0.hex)": ["\#(Self.approve)"]"# }
        let text = """
            {"version": 1, "keys": {"\(key.address.hex)": {"chains": \(chains),
            "calls": {\(calls.joined(separator: ", "))},
            "tokens": {"usd": "\(Self.usd.hex)", "tly": "\(Self.tly.hex)"},
            "coin_per_transaction": "0.01", "coin_per_day": "0.025", "usd_per_transaction": "100",
            "usd_per_day": "250.000000", "tly_per_transaction": "10", "tly_per_day": "20",
            "committed_usd": "1000"}, "\(identity.address)": {
            "mints": [\(mints.map { "\"\($0)\"" }.joined(separator: ","))],
            "coin_per_transaction": "0.05", "coin_per_day": "0.09", "usd_per_transaction": "30",
            "usd_per_day": "50"}}}
            """
        return try SigningPolicies(json: Array(change(text).utf8))
    }

    /// A desk as a process has it that begins now: of the one before it knows what was written.
    func desk(_ change: (String) -> String = { $0 }) throws -> SignerDesk {
        SignerDesk(
            keys: [.evm(key), .solana(identity)], policies: try policies(change), book: book,
            durable: { book in
                try self.state.withLock { state throws(Full) in
                    if state.isFull { throw Full() }
                    // What is read back is all that the next process has.
                    guard let read = try? SigningBook(canonicalBytes: book.canonicalBytes()) else {
                        throw Full()
                    }
                    state.book = read
                    state.saves += 1
                }
            },
            decided: { decision in self.state.withLock { $0.decisions.append(decision) } },
            clock: { Timestamp(seconds: self.state.withLock { $0.now }) })
    }

    // MARK: Transactions

    /// A call whose gas costs so many thousandths of a coin.
    func transaction(
        _ nonce: UInt64, _ data: [UInt8], thousandths: UInt128 = 1, to: EVMAddress? = contract
    ) -> EVMTransaction {
        EVMTransaction(
            chainID: 31_337, nonce: nonce, maxPriorityFeePerGas: 1,
            maxFeePerGas: thousandths * 10_000_000_000, gasLimit: 100_000, to: to, data: data)
    }

    static func root(usd: UInt128, tly: UInt128 = 0) -> [UInt8] {
        data(root, [1, 9, usd * 1_000_000, tly * 1_000_000_000, 9, 9])
    }

    static func slash(usd: UInt128, verdict: UInt128) -> [UInt8] {
        data(slash, [5, usd * 1_000_000, 0, verdict])
    }

    /// A dispersal of whole tokens under a name; `words` may change its encoding.
    static func disperse(
        _ token: EVMAddress, _ amounts: [UInt128], name: UInt128,
        _ words: (inout [[UInt8]]) -> Void = { _ in }
    ) -> [UInt8] {
        let scale: UInt128 = token == tly ? 1_000_000_000 : 1_000_000
        let count = UInt128(amounts.count)
        func word(_ number: UInt128) -> [UInt8] { UInt256(low: number).word.bytes }
        var all: [[UInt8]] = [[UInt8](repeating: 0, count: 12) + token.bytes, word(name)]
        all += [word(0x80), word(0xA0 + 32 * count), word(count)]
        all += (0..<count).map { word(0xAA00 + $0) }
        all += [word(count)] + amounts.map { word($0 * scale) }
        words(&all)
        return Array(Keccak256.hash(Array(disperse.utf8)).bytes[..<4]) + all.joined()
    }

    static func approve(_ spender: EVMAddress) -> [UInt8] {
        Keccak256.hash(Array(approve.utf8)).bytes[..<4] + [UInt8](repeating: 0, count: 12)
            + spender.bytes + [UInt8](repeating: 0xFF, count: 32)
    }

    private static func data(_ function: String, _ words: [UInt128]) -> [UInt8] {
        Keccak256.hash(Array(function.utf8)).bytes[..<4]
            + words.flatMap { UInt256(low: $0).word.bytes }
    }
}

/// What a desk says to a line.
struct SignerReply: Decodable {
    struct Refusal: Decodable {
        let code: Int
        let message: String
    }

    let v: Int
    let id: String
    let signature: String?
    let keys: [String]?
    let error: Refusal?
}

extension SignerDesk {
    func reply(_ line: String) throws -> SignerReply {
        try JSONDecoder().decode(SignerReply.self, from: Data(answer(Array(line.utf8))))
    }

    /// Asks for a signature, with a field or two as they should not be.
    func ask(
        _ transaction: EVMTransaction, key: EVMAddress, changed: [String: String] = [:]
    ) throws -> SignerReply {
        var fields = [
            "chain_id": "\(transaction.chainID)", "nonce": "\(transaction.nonce)",
            "max_priority_fee_per_gas": "\(transaction.maxPriorityFeePerGas)",
            "max_fee_per_gas": "\(transaction.maxFeePerGas)",
            "gas_limit": "\(transaction.gasLimit)", "value": "\(transaction.value)",
            "data": "0x" + Hex.encode(transaction.data),
            "digest": "0x" + transaction.signingHash.hex,
        ]
        if let to = transaction.to { fields["to"] = to.hex }
        for (name, value) in changed { fields[name] = value }
        let evm = String(decoding: try JSONEncoder().encode(fields), as: UTF8.self)
        return try reply(
            #"{"v": 1, "id": "a", "method": "sign", "key": "\#(key.checksummed)", "evm": \#(evm)}"#)
    }
}
