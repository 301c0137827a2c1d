import Cryptography
import Primitives

/// What a rollup of the OP stack charges a transaction beside gas, as its receipt says: for its
/// data on the chain below, and for the rollup's operator. Zero on any other chain.
///
/// Sources: `l1Fee`, `operatorFeeScalar`, `operatorFeeConstant` and `daFootprintGasScalar` (which
/// blocks have since Jovian) of op-geth's receipts; specs/protocol/isthmus/exec-engine.md and
/// jovian/exec-engine.md of ethereum-optimism/specs.
public struct RollupFees: Decodable, Hashable, Sendable {
    private let data: UInt128
    private let scalar: UInt128
    private let constant: UInt128
    private let isJovian: Bool

    private enum CodingKeys: String, CodingKey {
        case l1Fee, operatorFeeScalar, operatorFeeConstant, daFootprintGasScalar
    }

    /// Reads the fields of a receipt, each of which may be missing.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        func number(_ key: CodingKeys) throws -> UInt128? {
            try fields.decodeIfPresent(Quantity<UInt128>.self, forKey: key)?.value
        }
        data = try number(.l1Fee) ?? 0
        scalar = try number(.operatorFeeScalar) ?? 0
        constant = try number(.operatorFeeConstant) ?? 0
        isJovian = try number(.daFootprintGasScalar) != nil
    }

    /// All of it in wei, for a transaction that used so much gas; at most 2^128 - 1.
    public func wei(gasUsed: UInt64) -> UInt128 {
        let gas = UInt128(gasUsed) * (isJovian ? 100 : 1)
        let (scaled, overflow) = scalar.multipliedReportingOverflow(by: gas)
        let operatorFee = overflow ? .max : scaled / (isJovian ? 1 : 1_000_000)
        return data.saturatingSum(operatorFee).saturatingSum(constant)
    }
}

extension EVMChain {
    /// The contract that quotes these fees on each rollup of the stack.
    private static let rollupOracle = EVMAddress(
        [0x42] + [UInt8](repeating: 0, count: 18) + [0x0F])

    /// What this chain would charge a transaction beside gas if it used all its gas, in wei: what
    /// `getL1Fee` and `getOperatorFee` of the stack's GasPriceOracle say. `nil` if the chain has
    /// none: then gas is all there is. Rollups of before Isthmus have no operator's fee.
    public func rollupFee(of transaction: EVMTransaction) async throws(ChainError) -> UInt128? {
        guard let oracle = Self.rollupOracle,
            let data = try await quote(
                oracle, "getL1Fee(bytes)", .bytes, .bytes(transaction.unsignedBytes))
        else { return nil }
        do throws(ChainError) {
            let operatorFee = try await quote(
                oracle, "getOperatorFee(uint256)", .uint(bits: 256),
                .uint(UInt128(transaction.gasLimit)))
            return data.saturatingSum(operatorFee ?? 0)
        } catch {
            guard case .reverted = error else { throw error }
            return data
        }
    }

    /// The number that a contract's function says of an argument; `nil` if there is no contract.
    private func quote(
        _ contract: EVMAddress, _ function: String, _ type: ABIType, _ argument: ABIValue
    ) async throws(ChainError) -> UInt128? {
        let asked: [UInt8]
        do throws(ABIError) {
            let selector = Keccak256.hash(Array(function.utf8)).bytes.prefix(4)
            asked = selector + (try ABIEncoder.encode([argument], as: [type]))
        } catch {
            throw .abi(error)
        }
        let answer = try await call(contract, asked)
        if answer.isEmpty { return nil }
        do throws(ABIError) {
            let values = try ABIDecoder.decode(answer, as: [.uint(bits: 256)])
            guard let value = values.first else { throw ABIError.truncated }
            return try value.uint128(function)
        } catch {
            throw .abi(error)
        }
    }
}
