public import Chains
public import Clearing
import Cryptography
public import Primitives

/// The claims of one batch, made again from a copy of the journal: what a house would serve, for
/// when it is gone.
public struct JournalClaims: Sendable {
    private let batch: BatchID
    private let lines: [BatchLine]
    private let settlement: SettlementContract
    private let claims: [Claim]
    private let tree: ClaimTree

    /// The claims of a batch of the books. O(lines).
    ///
    /// - Parameters:
    ///   - batch: the one whose root the contract has.
    ///   - settlement: the contract that pays.
    ///   - usd: its dollar token.
    ///   - tly: its incentive token.
    /// - Returns: `nil` if the batch's lines do not lead to its root at this contract: the journal
    ///   is of another one.
    public init?(
        _ batch: Batch, at settlement: SettlementContract, usd: EVMAddress, tly: EVMAddress
    ) {
        self.batch = batch.id
        lines = batch.lines
        self.settlement = settlement
        claims = batch.lines.map { line in
            Claim(
                chainID: settlement.contract.chain.chainID, contract: settlement.address,
                token: line.asset == .usd ? usd : tly, account: line.address,
                cumulative: line.cumulative)
        }
        tree = ClaimTree(claims: claims)
        if tree.root != batch.root { return nil }
    }

    /// What an account can claim, with proofs and calls; what it was paid before, the contract is
    /// asked. What waits in the books and bonds are not in it. O(lines).
    public func statement(
        of account: EVMAddress
    ) async throws(ChainError) -> ClaimableStatement {
        var due: [ClaimableStatement.Claim] = []
        var leaves: [ABIValue] = []
        for (line, claim) in zip(lines, claims) where claim.account == account {
            let paid = try await settlement.claimed(token: claim.token, account: account)
            guard paid < line.cumulative, let proof = tree.proof(of: claim.leaf) else { continue }
            let values: [ABIValue] = [
                .address(claim.token), .address(account), .uint(claim.cumulative),
                .array(proof.map { .bytes32($0) }),
            ]
            leaves.append(.tuple(values))
            due.append(
                ClaimableStatement.Claim(
                    asset: line.asset.code, token: claim.token.hex,
                    amount: line.asset.text(units: line.cumulative - paid),
                    amountUnits: "\(line.cumulative - paid)", cumulative: "\(line.cumulative)",
                    claimed: "\(paid)", proof: proof.map(\.hex),
                    calldata: try data("claim", values)))
        }
        return ClaimableStatement(
            network: "eip155:\(settlement.contract.chain.chainID)",
            contract: settlement.address.hex, account: account.hex, batch: batch.rawValue,
            claims: due,
            calldata: leaves.isEmpty ? nil : try data("claimMany", [.array(leaves)]),
            waiting: [], bond: nil, vouchers: nil)
    }

    private func data(_ function: String, _ values: [ABIValue]) throws(ChainError) -> String {
        do throws(ABIError) {
            return "0x" + Hex.encode(try settlement.contract.artifact.callData(function, values))
        } catch {
            throw .abi(error)
        }
    }
}
