import Chains
import Primitives

/// The settlement contract in memory: what `contracts-abi/evm/Exchequer.vy` checks of slashes,
/// roots and claims, as far as it matters for whether each happens once.
struct SimulatedVault {
    let address: EVMAddress
    private let slash: [UInt8]
    private let commitRoot: [UInt8]
    private(set) var batch: UInt64 = 0
    private(set) var root = Digest.zero
    private(set) var usedVerdicts: Set<Digest> = []
    private var taken: [EVMAddress: UInt128] = [:]
    private(set) var slashed: UInt128 = 0
    private(set) var claimed: [EVMAddress: UInt128] = [:]
    /// Roots in the order they were committed.
    private(set) var roots: [Digest] = []

    init(address: EVMAddress, artifact: ContractArtifact) throws {
        self.address = address
        slash = try artifact.function("slash").selector
        commitRoot = try artifact.function("commitRoot").selector
    }

    /// What a provider has staked from the beginning: every third has nothing.
    static func bond(of provider: EVMAddress) -> UInt128 {
        provider.bytes[19].isMultiple(of: 3) ? 0 : 1_000
    }

    /// Carries a call out, or says why not and changes nothing.
    mutating func call(_ data: [UInt8]) -> String? {
        let words = Array(data.dropFirst(4))
        switch Array(data.prefix(4)) {
        case slash:
            let types: [ABIType] = [.address, .uint(bits: 256), .uint(bits: 256), .bytes32]
            guard let values = try? ABIDecoder.decode(words, as: types),
                case .address(let provider) = values[0], case .uint(let amount) = values[1],
                case .bytes32(let verdict) = values[3]
            else { return "bad arguments" }
            return slash(provider, amount.low, verdict)
        case commitRoot:
            guard let values = try? ABIDecoder.decode(words, as: [.uint(bits: 256), .bytes32]),
                case .uint(let number) = values[0], case .bytes32(let root) = values[1]
            else { return "bad arguments" }
            guard number.low == UInt128(batch) + 1 else { return "batch order" }
            batch += 1
            self.root = root
            roots.append(root)
            return nil
        default: return "no such function"
        }
    }

    private mutating func slash(
        _ provider: EVMAddress, _ amount: UInt128, _ verdict: Digest
    ) -> String? {
        guard !usedVerdicts.contains(verdict) else { return "verdict used" }
        let bond = Self.bond(of: provider) - (taken[provider] ?? 0)
        guard bond > 0 else { return "no bond" }
        usedVerdicts.insert(verdict)
        taken[provider, default: 0] += min(amount, bond)
        slashed += min(amount, bond)
        return nil
    }

    /// Pays an account up to all that the root at hand has ever allotted it.
    mutating func claim(_ account: EVMAddress, cumulative: UInt128) {
        claimed[account] = max(claimed[account] ?? 0, cumulative)
    }
}
