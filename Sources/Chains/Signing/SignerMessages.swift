import Cryptography
import Foundation
import Primitives

/// The lines between a house and a signer (docs/reference/signer.md): one JSON object each. Numbers
/// are decimal text, since JSON's lose digits above 2^53.
struct SignerRequest: Codable, Sendable {
    static let version = 1

    /// A transaction of type 2, every field of it, and the digest that they make.
    struct EVM: Codable, Sendable {
        let chain_id, nonce, max_priority_fee_per_gas, max_fee_per_gas, gas_limit, value: String
        let to: String?
        let data, digest: String
    }

    /// A Solana message in base64: its bytes are what is signed.
    struct Solana: Codable, Sendable {
        let message: String
    }

    let v: Int
    let id, method: String
    var key: String?
    var evm: EVM?
    var solana: Solana?
    var channel: Channel?
}

/// A signer's line back: one of the three.
struct SignerAnswer: Codable, Sendable {
    struct Refusal: Codable, Sendable {
        let code: Int
        let message: String
    }

    let v: Int
    let id: String
    var signature: String?
    var keys: [String]?
    var error: Refusal?
}

/// The lines' one encoding.
enum SignerLine {
    static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            preconditionFailure("text and numbers always have a JSON form")
        }
        return Array(data)
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ line: [UInt8]) -> Value? {
        try? JSONDecoder().decode(type, from: Data(line))
    }
}

extension SignerRequest.EVM {
    init(_ transaction: EVMTransaction) {
        self.init(
            chain_id: String(transaction.chainID), nonce: String(transaction.nonce),
            max_priority_fee_per_gas: String(transaction.maxPriorityFeePerGas),
            max_fee_per_gas: String(transaction.maxFeePerGas),
            gas_limit: String(transaction.gasLimit), value: String(transaction.value),
            to: transaction.to?.hex, data: "0x" + Hex.encode(transaction.data),
            digest: "0x" + transaction.signingHash.hex)
    }

    /// The transaction; throws `malformed` if a field is not what it should be, and `otherDigest`
    /// if the digest is not the transaction's.
    func transaction() throws(SignerRefusal) -> EVMTransaction {
        guard let chain = UInt64(chain_id), let number = UInt64(nonce),
            let tip = UInt128(max_priority_fee_per_gas), let cap = UInt128(max_fee_per_gas),
            let gas = UInt64(gas_limit), let wei = UInt128(value), let bytes = Hex.decode(data),
            data.hasPrefix("0x"), bytes.count <= EVMIntent.maximumData
        else { throw SignerRefusal(.malformed, "a field of the transaction is ill-formed") }
        var target: EVMAddress?
        if let to {
            target = EVMAddress(hex: to)
            guard target != nil else {
                throw SignerRefusal(.malformed, "the receiver is no address")
            }
        }
        let transaction = EVMTransaction(
            chainID: chain, nonce: number, maxPriorityFeePerGas: tip, maxFeePerGas: cap,
            gasLimit: gas, to: target, value: wei, data: bytes)
        guard Digest(hex: digest) == transaction.signingHash else {
            throw SignerRefusal(.otherDigest, "the digest is not of this transaction")
        }
        return transaction
    }
}
