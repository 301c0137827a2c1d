import Chains
import Cryptography
import Primitives
import Testing

@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct SettlementTests {
    private let house: House
    private var vault: SettlementContract { house.vault }
    private let million = House.million

    init() async throws {
        house = try #require(House.current)
        try await house.node.calm()
    }

    /// A refusal that the node foretells: nothing was sent.
    private func expectRefusal(
        _ outcome: TransactionOutcome, _ reason: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            outcome == .failed(.notSent(.reverted(reason))), sourceLocation: sourceLocation)
    }

    @Test func deployedContractsStandWhereTheyWereForetold() async throws {
        let chain = house.node.chain()
        for contract in [house.usd.contract, house.tly.contract, vault.contract] {
            #expect(try await chain.code(at: contract.address).count > 1_000)
            #expect(contract.address != .zero)
        }
        #expect(try await chain.code(at: house.owner.address).isEmpty)
        #expect(try await vault.contract.read("USDC") == [.address(house.usd.address)])
        #expect(try await vault.contract.read("TLY") == [.address(house.tly.address)])
        #expect(try await vault.contract.read("UNBONDING_DELAY") == [.uint(604_800)])
        #expect(try await house.usd.contract.read("name") == [.string("USD Coin")])
        #expect(try await house.usd.contract.read("decimals") == [.uint(6)])
        #expect(try await house.tly.contract.read("symbol") == [.string("TLY")])
        #expect(try await chain.balance(of: house.owner.address) > 0)
    }

    @Test func aDepositMovesTheMoneyAndIsLogged() async throws {
        let guest = try await house.guest(dollars: 10)
        let before = try await house.usd.balance(of: house.safe)
        let receipt = try settled(await vault.deposit(4 * million, from: guest))
        #expect(receipt.from == guest.address && receipt.to == vault.address)
        #expect(receipt.contractAddress == nil && receipt.gasUsed > 21_000)
        let log = try #require(receipt.logs.first { $0.address == vault.address })
        let (name, values) = try #require(try vault.contract.artifact.decode(log))
        #expect(name == "Deposited")
        #expect(values == [.address(guest.address), .uint(4 * million)])
        #expect(try await house.usd.balance(of: guest.address) == 6 * million)
        #expect(try await house.usd.balance(of: house.safe) == before + 4 * million)
        expectRefusal(await vault.deposit(0, from: guest), "zero amount")
        #expect(try await house.usd.balance(of: guest.address) == 6 * million)
    }

    @Test func withoutAnAllowanceNothingIsTaken() async throws {
        let stranger = EVMSender(chain: house.node.chain(), key: try house.node.freshKey())
        guard
            case .failed(.notSent(.reverted(let reason))) = await vault.deposit(1, from: stranger)
        else {
            Issue.record("the deposit was not refused")
            return
        }
        #expect(reason.contains("ERC20"))
    }

    @Test func aBondIsGivenAskedBackAndTakenBack() async throws {
        let provider = try await house.guest(dollars: 100)
        try settled(await vault.bond(60 * million, from: provider))
        #expect(try await vault.bonded(provider.address) == 60 * million)
        try settled(await vault.requestUnbond(25 * million, from: provider))
        #expect(try await vault.bonded(provider.address) == 35 * million)
        #expect(try await vault.slashable(provider.address) == 60 * million)
        expectRefusal(await vault.requestUnbond(36 * million, from: provider), "exceeds bond")
        expectRefusal(await vault.withdrawBond(from: provider), "nothing matured")
        try await house.node.pass(seconds: House.unbondingDelay)
        try settled(await vault.withdrawBond(from: provider))
        #expect(try await vault.slashable(provider.address) == 35 * million)
        #expect(try await house.usd.balance(of: provider.address) == 65 * million)
    }

    @Test func aSlashReachesBondAndUnbondingAndCountsOnce() async throws {
        let provider = try await house.guest(dollars: 100)
        let verdict = Keccak256.hash(Array("verdict".utf8))
        try settled(await vault.bond(50 * million, from: provider))
        try settled(await vault.requestUnbond(40 * million, from: provider))
        expectRefusal(
            await vault.carryOut(
                .slash(
                    provider: provider.address, amount: 1, burned: 0, verdict: verdict),
                from: provider),
            "not slasher")
        #expect(try await vault.isVerdictUsed(verdict) == false)
        let receipt = try settled(
            await vault.carryOut(
                .slash(
                    provider: provider.address, amount: 30 * million, burned: 6 * million,
                    verdict: verdict),
                from: house.owner))
        let log = try #require(receipt.logs.first { $0.address == vault.address })
        let (_, values) = try #require(try vault.contract.artifact.decode(log))
        #expect(
            values == [
                .address(provider.address), .bytes32(verdict), .uint(30 * million),
                .uint(6 * million), .uint(20 * million),
            ])
        #expect(try await vault.bonded(provider.address) == 0)
        #expect(try await vault.slashable(provider.address) == 20 * million)
        #expect(try await vault.isVerdictUsed(verdict))
        let dead = try address("0x000000000000000000000000000000000000dEaD")
        #expect(try await house.usd.balance(of: dead) == 6 * million)
        expectRefusal(
            await vault.carryOut(
                .slash(
                    provider: provider.address, amount: 1, burned: 0, verdict: verdict),
                from: house.owner),
            "verdict used")
    }

    @Test func everyProofOfTheTreePaysExactlyOnce() async throws {
        let payer = try await house.guest(dollars: 1_000)
        try settled(await vault.deposit(1_000 * million, from: payer))
        try settled(await house.tly.transfer(500, to: house.safe, from: house.owner))
        var claims: [Claim] = []
        for index: UInt8 in 1...5 {
            claims.append(
                claim(house.usd, try address(0x50 + index), UInt128(index) * 10 * million))
        }
        claims.append(claim(house.tly, try address(0x51), 123))
        let tree = ClaimTree(claims: claims)
        let head = try digest(0x77)
        let batch = try await vault.batch()
        expectRefusal(
            await commit(tree.root, batch: batch + 2, usd: 0, tly: 0), "batch order")
        expectRefusal(
            await commit(tree.root, batch: batch + 1, usd: 150 * million, tly: 501),
            "underfunded")
        try settled(
            await vault.carryOut(
                .commitRoot(
                    batch: batch + 1, root: tree.root, totalUSD: 150 * million, totalTLY: 123,
                    journalHead: head, liabilities: try digest(0x78)),
                from: house.owner))
        #expect(try await vault.batch() == batch + 1)
        #expect(try await vault.root() == tree.root)
        #expect(try await vault.journalHead() == head)
        #expect(try await vault.liabilitiesRoot() == digest(0x78))
        #expect(try await vault.committedTotal(token: house.usd.address) == 150 * million)
        for claim in claims {
            let proof = try #require(tree.proof(of: claim.leaf))
            expectRefusal(await pay(claim, claim.cumulative + 1, proof), "bad proof")
            expectRefusal(await pay(claim, claim.cumulative, Array(proof.dropLast())), "bad proof")
            try settled(await pay(claim, claim.cumulative, proof))
            expectRefusal(await pay(claim, claim.cumulative, proof), "nothing to claim")
            let paid = try await vault.claimed(token: claim.token, account: claim.account)
            #expect(paid == claim.cumulative)
        }
        #expect(try await house.usd.balance(of: try address(0x55)) == 50 * million)
        #expect(try await house.tly.balance(of: try address(0x51)) == 123)
    }

    @Test func aRootWithADelayPaysWhenItIsMadeActive() async throws {
        let guarded = try await SettlementContract.deploy(
            vault.contract.artifact, vault: try Project.artifact("Vault"),
            usd: house.usd.address, tly: house.tly.address,
            delays: SettlementDelays(unbonding: 60, activation: 3_600), from: house.owner)
        let account = try address(0x71)
        let owed = Claim(
            chainID: EVMNode.chainID, contract: guarded.address, token: house.tly.address,
            account: account, cumulative: 7)
        try settled(
            await house.tly.transfer(7, to: try await guarded.vault(), from: house.owner))
        #expect(try await guarded.lastCommittedRoot() == nil)
        try settled(
            await guarded.carryOut(
                .commitRoot(
                    batch: 1, root: owed.leaf, totalUSD: 0, totalTLY: 7,
                    journalHead: try digest(1), liabilities: try digest(2)),
                from: house.owner))
        let root = try #require(try await guarded.lastCommittedRoot(blocksPerPage: 1))
        #expect(root.batch == 1 && root.root == owed.leaf)
        #expect(root.journalHead == (try digest(1)))
        #expect(root.liabilities == (try digest(2)))
        #expect(try await guarded.isRootWaiting())
        expectRefusal(await guarded.activate(root, from: house.owner), "too early")
        #expect(try await guarded.root() == .zero)
        try await house.node.pass(seconds: 3_600)
        try settled(await guarded.activate(root, from: house.owner))
        #expect(try await !guarded.isRootWaiting())
        #expect(try await guarded.root() == owed.leaf)
        try settled(
            await guarded.claim(
                token: house.tly.address, account: account, cumulative: 7, proof: [],
                from: house.owner))
        #expect(try await house.tly.balance(of: account) == 7)
    }

    @Test func theChainHasTheLeafAndTheSecondBatchPaysTheDifference() async throws {
        let payer = try await house.guest(dollars: 1_000)
        try settled(await vault.deposit(1_000 * million, from: payer))
        let total = try await vault.committedTotal(token: house.usd.address)
        let account = try address(0x61)
        for step: UInt128 in 1...2 {
            let owed = claim(house.usd, account, step * million)
            #expect(
                try await vault.contract.read(
                    "leafOf",
                    [.address(owed.token), .address(account), .uint(owed.cumulative)])
                    == [.bytes32(owed.leaf)])
            let tree = ClaimTree(claims: [owed])
            try settled(
                await commit(
                    tree.root, batch: try await vault.batch() + 1, usd: total + step * million,
                    tly: try await vault.committedTotal(token: house.tly.address)))
            try settled(await pay(owed, owed.cumulative, []))
            #expect(try await house.usd.balance(of: account) == step * million)
        }
    }

    /// A transaction that the node did not foresee to fail, because it was signed by hand.
    @Test func aRevertInTheChainIsAFailureWithItsReason() async throws {
        let chain = house.node.chain()
        let key = try house.node.freshKey()
        let data = try vault.contract.artifact.callData(
            "slash", [.address(key.address), .uint(1), .uint(0), .bytes32(try digest(1))])
        let fees = try await chain.fees()
        let transaction = EVMTransaction(
            chainID: EVMNode.chainID, nonce: 0, maxPriorityFeePerGas: fees.tip,
            maxFeePerGas: fees.limit, gasLimit: 200_000, to: vault.address, data: data
        ).signed(by: key)
        #expect(await chain.broadcast(transaction) == nil)
        let outcome = await chain.wait(for: transaction)
        guard case .failed(.reverted(let reason, let receipt)) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(reason == "not slasher")
        #expect(!receipt.succeeded && receipt.transaction == transaction.hash)
        #expect(receipt.logs.isEmpty)
    }

    @Test func whatCannotBeWrittenOrReadIsAnError() async throws {
        let outcome = await vault.contract.send("deposit", [.bool(true)], from: house.owner)
        #expect(outcome == .failed(.notSent(.abi(.badArgument("uint256")))))
        await #expect(throws: ChainError.abi(.unknownName("nothing"))) {
            try await vault.contract.read("nothing")
        }
        let empty = SettlementContract(
            chain: house.node.chain(), address: try address(0x99),
            artifact: vault.contract.artifact)
        await #expect(throws: ChainError.abi(.truncated)) { try await empty.batch() }
        let refused = await #expect(throws: TransactionError.self) {
            try await Contract.deploy(vault.contract.artifact, [], from: house.owner)
        }
        #expect(
            refused?.outcome
                == .failed(.notSent(.abi(.badArgument("0 arguments for 8 parameters")))))
        let late = await #expect(throws: TransactionError.self) {
            try await SettlementContract.deploy(
                vault.contract.artifact, vault: try Project.artifact("Vault"),
                usd: house.usd.address, tly: house.tly.address,
                delays: SettlementDelays(unbonding: 91 * 86_400), from: house.owner)
        }
        guard case .failed(.notSent(.reverted)) = late?.outcome else {
            Issue.record("\(String(describing: late))")
            return
        }
    }
}

extension SettlementTests {
    private func claim(
        _ token: TokenContract, _ account: EVMAddress, _ cumulative: UInt128
    ) -> Claim {
        Claim(
            chainID: EVMNode.chainID, contract: vault.address, token: token.address,
            account: account, cumulative: cumulative)
    }

    private func commit(
        _ root: Digest, batch: UInt64, usd: UInt128, tly: UInt128
    ) async -> TransactionOutcome {
        await vault.carryOut(
            .commitRoot(
                batch: batch, root: root, totalUSD: usd, totalTLY: tly,
                journalHead: .zero, liabilities: .zero),
            from: house.owner)
    }

    private func pay(
        _ claim: Claim, _ cumulative: UInt128, _ proof: [Digest]
    ) async -> TransactionOutcome {
        await vault.claim(
            token: claim.token, account: claim.account, cumulative: cumulative, proof: proof,
            from: house.owner)
    }
}
