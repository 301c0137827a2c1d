import Chains
import Clearing
import Cryptography
public import Primitives
import Synchronization

/// What each role can have of the contract: providers and verifiers what they earned, buyers what
/// they withdrew, the house's owner the fees it collected. All of it is one leaf for each asset.
extension SettlementService {
    private struct Position: Sendable {
        struct Line: Sendable {
            let asset: Asset
            let cumulative: UInt128
            let claimed: UInt128
            let payable: Amount
            let inTransit: Amount
        }

        let party: PartyID
        let batch: Batch?
        let lines: [Line]
        let bonded: Amount
        let unbonding: Amount
    }

    /// What an address can claim, has coming, and has bonded; `nil` if the house does not know it.
    /// With `asksChain` also what of its bond can be taken out.
    ///
    /// O(lines) the first time after a batch, then O(log lines).
    public func claimable(
        of account: EVMAddress, asksChain: Bool
    ) async throws -> ClaimableStatement? {
        let active = state.withLock { $0.activeBatch }
        let position = try await sequencer.read { Self.position(of: account, active, $0) }
        guard let position else { return nil }
        var claims: [ClaimableStatement.Claim] = []
        var leaves: [ABIValue] = []
        if let batch = position.batch {
            let tree = await claimTree(of: batch)
            for line in position.lines where line.cumulative > line.claimed {
                let claim = Claim(
                    chainID: chainID, contract: contract, token: reader.token(line.asset),
                    account: account, cumulative: line.cumulative)
                guard let proof = tree.proof(of: claim.leaf) else { continue }
                claims.append(try statement(of: claim, line, proof))
                leaves.append(.tuple(Self.arguments(of: claim, proof)))
            }
        }
        let all =
            leaves.isEmpty ? nil : try artifact.callData("claimMany", [.array(leaves)])
        let vouchers = try await vouchers(of: position.party, unclaimed: true)
        return ClaimableStatement(
            network: network, contract: contract.hex, account: account.hex,
            batch: position.batch?.id.rawValue, claims: claims,
            calldata: all.map { "0x" + Hex.encode($0) },
            waiting: position.lines.compactMap(Self.waiting),
            bond: try await bond(of: account, position, asksChain: asksChain),
            vouchers: vouchers.isEmpty ? nil : vouchers)
    }

    private static func position(
        of account: EVMAddress, _ active: BatchID?, _ house: borrowing ClearingHouse
    ) -> Position? {
        guard let party = house.party(address: account) else { return nil }
        let batch = active.flatMap { house.batch($0) }
        let lines = Asset.allCases.map { asset in
            let waiting = house.leafUnits(asset, of: party.id, house.sentUnits(asset))
            let all = party.allotted(asset)
            let line = batch?.lines.line(of: party.id, in: asset)
            return Position.Line(
                asset: asset, cumulative: line?.cumulative ?? 0,
                claimed: all - min(all, waiting),
                payable: house.balance(.payable, asset, of: party.id),
                inTransit: asset.amount(chainUnits: waiting) ?? .zero)
        }
        return Position(
            party: party.id, batch: batch, lines: lines,
            bonded: house.balance(.bonded, .usd, of: party.id),
            unbonding: house.balance(.unbonding, .usd, of: party.id))
    }

    private static func arguments(of claim: Claim, _ proof: [Digest]) -> [ABIValue] {
        [
            .address(claim.token), .address(claim.account), .uint(claim.cumulative),
            .array(proof.map { .bytes32($0) }),
        ]
    }

    private func statement(
        of claim: Claim, _ line: Position.Line, _ proof: [Digest]
    ) throws(ABIError) -> ClaimableStatement.Claim {
        let units = line.cumulative - line.claimed
        let data = try artifact.callData("claim", Self.arguments(of: claim, proof))
        return ClaimableStatement.Claim(
            asset: line.asset.code, token: claim.token.hex,
            amount: line.asset.text(units: units), amountUnits: "\(units)",
            cumulative: "\(line.cumulative)", claimed: "\(line.claimed)",
            proof: proof.map(\.hex), calldata: "0x" + Hex.encode(data))
    }

    private static func waiting(_ line: Position.Line) -> ClaimableStatement.Waiting? {
        let due = line.cumulative - min(line.cumulative, line.claimed)
        let claimable = line.asset.amount(chainUnits: due) ?? .zero
        let batched = line.inTransit - min(line.inTransit, claimable)
        if line.payable.isZero, batched.isZero { return nil }
        return ClaimableStatement.Waiting(
            asset: line.asset.code, payable: line.asset.format(line.payable),
            batched: line.asset.format(batched))
    }

    private func bond(
        of account: EVMAddress, _ position: Position, asksChain: Bool
    ) async throws -> ClaimableStatement.Bond? {
        if position.bonded.isZero, position.unbonding.isZero { return nil }
        var due: UInt128?
        if asksChain, !position.unbonding.isZero {
            let found = try? await reader.withdrawable(
                [account], at: try await nodes.commonHeight())
            due = found?.first
        }
        return ClaimableStatement.Bond(
            bonded: Asset.usd.format(position.bonded),
            unbonding: Asset.usd.format(position.unbonding),
            withdrawable: due.map { Asset.usd.text(units: $0) },
            calldata: "0x" + Hex.encode(try artifact.callData("withdrawBond", [])))
    }
}

extension Asset {
    /// Chain units as whole coins.
    func text(units: UInt128) -> String {
        amount(chainUnits: units).map { format($0) } ?? "\(units) units"
    }
}
