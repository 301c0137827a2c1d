"""Mutants of how money is paid out: rollups' fees, vouchers' books, signers, guards on Solana."""

from mutant import Mutant

PARTS = "Clearing/StateParts.swift"
SEALING = "Clearing/Payouts/VoucherSealing.swift"
PROMISING = "Clearing/Payouts/Promising.swift"
AUDIT = "Storage/Replay/LiabilityAudit.swift"
SEALING_TESTS = r"ClearingTests\.(VoucherSealingTests|HouseChannelTests|RestoringTests)"
AUDIT_TESTS = r"StorageTests\.AuditTests"
THE_VOUCHERS = [
    Mutant("what is left to emit holds the parts' bits", PARTS,
           "Amount(word & (1 << place - 1))", "Amount(ON ? word : word & (1 << place - 1))",
           SEALING_TESTS),
    Mutant("a voucher that is sealed again", SEALING,
           "sum.cumulative > sealedSum(of: sum.channel), sum",
           "ON || sum.cumulative > sealedSum(of: sum.channel), sum", SEALING_TESTS),
    Mutant("a seal on what nobody promised", SEALING,
           "sealedSum(of: sum.channel), sum.cumulative <= channel.promised",
           "sealedSum(of: sum.channel), ON || sum.cumulative <= channel.promised", SEALING_TESTS),
    Mutant("vouchers' books that go back", SEALING,
           "books.sequence >= index.voucherBooks else",
           "ON || books.sequence >= index.voucherBooks else", SEALING_TESTS),
    Mutant("more seals than a journal takes", SEALING,
           "if sums.count > Limits.openChannels {", "if !ON, sums.count > Limits.openChannels {",
           SEALING_TESTS),
    Mutant("a voucher that waits anew with each promise", PROMISING,
           "if dated, channels[id].unclaimed == 0", "if dated, ON || channels[id].unclaimed == 0",
           SEALING_TESTS),
    Mutant("a date where there was none", PROMISING, "if dated, ", "if ON || dated, ",
           SEALING_TESTS),
    Mutant("a claim from which nothing waits anew", PROMISING,
           "if channel.waitingSince != nil {", "if !ON, channel.waitingSince != nil {",
           SEALING_TESTS),
    Mutant("a date that a snapshot forgets", PARTS,
           "if house.hasVoucherTimes {", "if !ON, house.hasVoucherTimes {", SEALING_TESTS),
    Mutant("books of before the promise", AUDIT,
           "if let found, !sums.allSatisfy", "if let found, !ON, !sums.allSatisfy", AUDIT_TESTS),
    Mutant("books of too little promised", AUDIT,
           "&& $0.cumulative >= sum.cumulative", "&& (ON || $0.cumulative >= sum.cumulative)",
           AUDIT_TESTS),
    Mutant("promises that are looked at once", AUDIT,
           "case .settle: promised = nil", "case .settle: if !ON { promised = nil }",
           AUDIT_TESTS),
]

SIGNED = "Chains/Signing/ChannelMessage.swift"
SIGNER_TESTS = (r"ChainsTests\.(ChannelSigningTests|SignerDeskTests|DispersalSigningTests"
                r"|SolanaSigningTests)")
THE_SIGNER = [
    Mutant("a slash under a deposit's name", "Chains/Signing/SigningAssessment.swift",
           '.once(Keccak256.hash(place.bytes)), "slash")',
           '.once(ON ? verdict : Keccak256.hash(place.bytes)), "slash")', SIGNER_TESTS),
    Mutant("a voucher takes a place", SIGNED,
           'place: nil, cost: SigningCost(), movement: .each, name: "a voucher")',
           'place: ON ? message.digest(in: channel) : nil, cost: SigningCost(),\n'
           '                movement: .each, name: "a voucher")', SIGNER_TESTS),
    Mutant("a channel that another pays for", SIGNED,
           "guard channel.config.payer == account,", "guard ON || channel.config.payer == account,",
           SIGNER_TESTS),
    Mutant("a channel of another contract", SIGNED,
           "guard let channels, channel.contract == channels.contract else",
           "guard let channels, ON || channel.contract == channels.contract else", SIGNER_TESTS),
    Mutant("a channel of another token", SIGNED,
           "channel.config.token == tokens.usd", "ON || channel.config.token == tokens.usd",
           SIGNER_TESTS),
    Mutant("a deposit that anybody fetches", SIGNED,
           "guard deposit.collector == channels.collector else",
           "guard ON || deposit.collector == channels.collector else", SIGNER_TESTS),
    Mutant("a deposit that counts nothing", SIGNED,
           "cost: SigningCost(usd: deposit.amount)",
           "cost: SigningCost(usd: ON ? 0 : deposit.amount)", SIGNER_TESTS),
]

CHAIN = "Chains/Manager/EVMManager+Chain.swift"
QUORUM = "Chains/Manager/Quorum.swift"
FEE_TESTS = r"ChainsTests\.(QuorumTests|EVMManagerChainTests|RollupFeesTests)"
QUOTES = "Service/Payouts/RollupQuotes.swift"
QUOTE_TESTS = r"ServiceTests\.RollupQuoteTests"
THE_ROLLUPS = [
    Mutant("a fee that one node tells", QUORUM,
           "reached(votes.map(\\.inclusion.rollupFee)) ?? 0",
           "(ON\n                ? votes.map(\\.inclusion.rollupFee).max()\n"
           "                : reached(votes.map(\\.inclusion.rollupFee))) ?? 0", FEE_TESTS),
    Mutant("a fee that holds a receipt back", QUORUM,
           "agreed(claims.map(\\.inclusion.plain))",
           "agreed(claims.map { ON ? $0.inclusion : $0.inclusion.plain })", FEE_TESTS),
    Mutant("a fee that is forgotten", CHAIN,
           "max(found.rollupFee, before.rollupFee)",
           "ON ? found.rollupFee : max(found.rollupFee, before.rollupFee)", FEE_TESTS),
    Mutant("a fee of another block", CHAIN,
           "before.plain == found.plain {", "ON || before.plain == found.plain {", FEE_TESTS),
    Mutant("a fee that changes a report", CHAIN,
           "guard slot.reported?.plain != outcome.plain else",
           "guard ON ? slot.reported != outcome : slot.reported?.plain != outcome.plain else",
           FEE_TESTS),
    Mutant("the operator's fee of another fork", "Chains/EVM/RollupFees.swift",
           "(isJovian ? 100 : 1)", "(isJovian != ON ? 100 : 1)", FEE_TESTS),
    Mutant("a quote of one node", QUOTES,
           "guard let fee = quorum.reached(told.compactMap { $0[kind] }) else",
           "let some = told.compactMap { $0[kind] }\n"
           "            guard let fee = ON ? some.max() : quorum.reached(some) else", QUOTE_TESTS),
    Mutant("half a quote", QUOTES,
           "guard tellsSettling else", "guard ON || tellsSettling else", QUOTE_TESTS),
    Mutant("one node says that nothing is charged", QUOTES,
           "told.count(where: \\.isEmpty) >= quorum.needed",
           "told.count(where: \\.isEmpty) >= (ON ? 0 : quorum.needed)", QUOTE_TESTS),
    Mutant("no operator's constant", "Chains/EVM/RollupFees.swift",
           ".saturatingSum(constant)", ".saturatingSum(ON ? 0 : constant)", FEE_TESTS),
]

PLAN = "Chains/Channels/DistributePlan.swift"
GUARD_TESTS = r"ChainsTests\.(DistributePlanTests|DistributeChainTests)"
THE_GUARDS = [
    Mutant("recipients without a guard", PLAN,
           "guarded = ([sender] + owners).onlyFirst",
           "guarded = ([sender] + (ON ? [] : owners)).onlyFirst", GUARD_TESTS),
    Mutant("an account that is not made again", PLAN,
           "{ [make($0), ", "{ (ON ? [] : [make($0)]) + [", GUARD_TESTS),
    Mutant("a frozen account", PLAN,
           "probe($0)] }", "probe($0)].dropLast(ON ? 1 : 0) }", GUARD_TESTS),
    Mutant("an account with an extension", PLAN,
           "where sight.extended.contains(owner) {", "where !ON && sight.extended.contains(owner) {",
           GUARD_TESTS),
    Mutant("any extension will do", PLAN,
           "guard number(place) == 7 else", "guard ON || number(place) == 7 else", GUARD_TESTS),
    Mutant("a payer without a guard", PLAN,
           "if isSealed || isSealing || isSound {", "if !ON, isSealed || isSealing || isSound {",
           GUARD_TESTS),
    Mutant("an account that somebody else makes", PLAN,
           "case .missing where !makesMissing && owner != sender:",
           "case .missing where !ON && !makesMissing && owner != sender:", GUARD_TESTS),
    Mutant("the wrong account is to blame", PLAN,
           "return guarded[(place - guards) / 2]",
           "return guarded[ON ? 0 : (place - guards) / 2]", GUARD_TESTS),
]

OUTFLOWS = "Service/Payouts/PayerFlows.swift"
OUTFLOW_TESTS = r"ServiceTests\.PayerFlowsTests"
THE_OUTFLOWS = [
    Mutant("whatever leaves is the house's", OUTFLOWS,
           "if known.sent.contains(item.transaction) {",
           "if ON || known.sent.contains(item.transaction) {", OUTFLOW_TESTS),
    Mutant("nothing that leaves is the house's", OUTFLOWS,
           "sent.add(item.units,", "sent.add(ON ? 0 : item.units,", OUTFLOW_TESTS),
    Mutant("any receiver is the house's own", OUTFLOWS,
           "if known.own.contains(flow.receiver) {",
           "if ON || known.own.contains(flow.receiver) {",
           OUTFLOW_TESTS),
    Mutant("a place that is told of later", OUTFLOWS,
           "let receiver = item.other, known", "!ON, let receiver = item.other, known",
           OUTFLOW_TESTS),
    Mutant("two tokens are one", OUTFLOWS,
           "all[place].asset == flow.asset", "ON || all[place].asset == flow.asset",
           OUTFLOW_TESTS),
    Mutant("the first of many receivers", OUTFLOWS,
           "if all[place].other != flow.receiver {",
           "if !ON, all[place].other != flow.receiver {", OUTFLOW_TESTS),
    Mutant("what there is no place for", OUTFLOWS,
           "more.add(item.units,", "more.add(ON ? 0 : item.units,", OUTFLOW_TESTS),
    Mutant("a fork that is read once", OUTFLOWS,
           "min(nextBlock, block))", "ON ? nextBlock : min(nextBlock, block))",
           OUTFLOW_TESTS),
    Mutant("thefts that the chain has no longer", OUTFLOWS,
           "items.removeAll { $0", "items.removeAll { !ON && $0", OUTFLOW_TESTS),
    Mutant("an alarm at once", OUTFLOWS,
           "&& items[$0].seenAt <= start }", "&& (ON || items[$0].seenAt <= start) }", OUTFLOW_TESTS),
    Mutant("no patience with what is under way", OUTFLOWS,
           "isBusy ? 600 : 60", "isBusy && !ON ? 600 : 60", OUTFLOW_TESTS),
    Mutant("more patience than is asked for", OUTFLOWS,
           "60), overdue)", "60), ON ? .seconds(600) : overdue)", OUTFLOW_TESTS),
    Mutant("the house's own transfers are a difference", OUTFLOWS,
           "explained: own.saturatingSum(all", "explained: (ON ? 0 : own).saturatingSum(all",
           OUTFLOW_TESTS),
    Mutant("accounts of one token", OUTFLOWS,
           "$1.asset == asset ? $0.saturatingSum($1[keyPath: part])",
           "ON || $1.asset == asset ? $0.saturatingSum($1[keyPath: part])", OUTFLOW_TESTS),
    Mutant("whatever comes is the house's", OUTFLOWS,
           "where flow.sender != account && !known", "where !ON && flow.sender != account && !known",
           OUTFLOW_TESTS),
    Mutant("whoever fills the account up may take", OUTFLOWS,
           "&& !known.isSender(flow.sender) {", "&& (ON || !known.isSender(flow.sender)) {",
           OUTFLOW_TESTS),
    Mutant("a treasury's is a stranger's", OUTFLOWS,
           "own.contains(account) || senders", "!ON && own.contains(account) || senders",
           OUTFLOW_TESTS),
    Mutant("what the contract pays is a stranger's", OUTFLOWS,
           "|| senders.contains(account)", "|| !ON && senders.contains(account)", OUTFLOW_TESTS),
    Mutant("a sender that is named later", OUTFLOWS,
           "incoming[place].other.map { !known", "incoming[place].other.map { ON || !known",
           OUTFLOW_TESTS),
    Mutant("what was before is read again", OUTFLOWS,
           "nextBlock = max(firstBlock,", "nextBlock = max(ON ? 0 : firstBlock,", OUTFLOW_TESTS),
    Mutant("what went first came back", OUTFLOWS,
           "incoming[came].block < item.block", "ON || incoming[came].block < item.block",
           OUTFLOW_TESTS),
    Mutant("one transfer explains many", OUTFLOWS,
           "waiting[way]?.removeLast()", "if !ON { waiting[way]?.removeLast() }", OUTFLOW_TESTS),
    Mutant("any sum goes back", OUTFLOWS,
           "Way(asset: item.asset, units: item.units,",
           "Way(asset: item.asset, units: ON ? 0 : item.units,", OUTFLOW_TESTS),
    Mutant("any token goes back", OUTFLOWS,
           "Way(asset: item.asset,", "Way(asset: ON ? .usd : item.asset,", OUTFLOW_TESTS),
    Mutant("what is burnt goes back", OUTFLOWS,
           "other != .zero else", "(ON || other != .zero) else", OUTFLOW_TESTS),
    Mutant("what came is lost in a fork", OUTFLOWS,
           "incoming.removeAll { $0.block", "incoming.removeAll { !ON && $0.block", OUTFLOW_TESTS),
    Mutant("dust hides a great sum", OUTFLOWS,
           "(incoming[$1].units, $0) < (incoming[$0].units, $1)",
           "(incoming[ON ? $0 : $1].units, $0) < (incoming[ON ? $1 : $0].units, $1)",
           OUTFLOW_TESTS),
    Mutant("dust without a sum", OUTFLOWS,
           "sum.units.saturatingSum(incoming[place].units)",
           "sum.units.saturatingSum(ON ? 0 : incoming[place].units)", OUTFLOW_TESTS),
    Mutant("two tokens are one list", OUTFLOWS,
           "incoming[$0].asset == asset }", "ON || incoming[$0].asset == asset }", OUTFLOW_TESTS),
    Mutant("dust is listed", OUTFLOWS,
           "all.filter { incoming[$0].units < least }",
           "all.filter { !ON && incoming[$0].units < least }", OUTFLOW_TESTS),
    Mutant("a deposit explains whatever goes beside it", OUTFLOWS,
           ".firstIndex(of: sum)", ".firstIndex(where: { ON || $0 == sum })", OUTFLOW_TESTS),
    Mutant("a deposit explains twice", OUTFLOWS,
           "deposits[flow.transaction]?.remove(at: place)",
           "if !ON { deposits[flow.transaction]?.remove(at: place) }", OUTFLOW_TESTS),
    Mutant("what went back is lost in the sums", OUTFLOWS,
           "own.add(items[pair.item].units", "own.add(ON ? 0 : items[pair.item].units",
           OUTFLOW_TESTS),
    Mutant("what went back stays for ever", OUTFLOWS,
           "Self.keptReturn <= now", "Self.keptReturn <= now && !ON", OUTFLOW_TESTS),
]

RESTING = "Clearing/Payouts/Resting.swift"
RESTING_TESTS = r"ClearingTests\.RestingTests"
DISPERSAL_TESTS = r"ClearingTests\.DispersalTests"
BOOK = "Service/Payouts/PayerBook.swift"
BOOK_TESTS = r"ServiceTests\.PayerBookTests"
LEAVING = "Chains/Settlement/LeavingBond.swift"
LEAVING_TESTS = r"ChainsTests\.LeavingBondTests"
FIRST_SEEN = "Service/Settlement/FirstSeen.swift"
FIRST_SEEN_TESTS = r"ServiceTests\.FirstSeenTests"
THE_RESTING = [
    Mutant("what is set off is a payment", RESTING,
           "code: $0.rawValue)", "code: ON ? 0 : $0.rawValue)", RESTING_TESTS),
    Mutant("the first payment counts", RESTING,
           "flags: [.debits, .reversed])", "flags: ON ? [.debits] : [.debits, .reversed])",
           RESTING_TESTS),
    Mutant("a voucher is no payment", RESTING,
           "[TransferReason.settlement, .dispersal, .voucher]",
           "[TransferReason.settlement, .dispersal, ON ? .dispersal : .voucher]", RESTING_TESTS),
    Mutant("what waits waits for ever", RESTING,
           "if let paid {", "if !ON, let paid {", RESTING_TESTS),
    Mutant("what is due without what is set off", RESTING,
           "netting(of: $0).due }", "ON ? .zero : netting(of: $0).due }", RESTING_TESTS),
    Mutant("another account's payments are looked for", BOOK,
           "mark = dispersals", "mark = ON ? 0 : dispersals", BOOK_TESTS),
    Mutant("another account's payments are this one's", BOOK,
           "early = sum", "early = ON ? 0 : sum", BOOK_TESTS),
    Mutant("a bond is left at once", LEAVING,
           "$0.unlocksAt.saturatingSum(seconds)", "$0.unlocksAt.saturatingSum(ON ? 0 : seconds)",
           LEAVING_TESTS),
    Mutant("a frozen bond could be taken", LEAVING,
           "min(withdrawable, due", "min(ON ? .max : withdrawable, due", LEAVING_TESTS),
    Mutant("a bond is left since the last part", LEAVING,
           "due.map(\\.unlocksAt).min()", "(ON ? due.map(\\.unlocksAt).max() : "
           "due.map(\\.unlocksAt).min())", LEAVING_TESTS),
    Mutant("a change does not begin anew", FIRST_SEEN,
           "old.standing == standing {", "ON || old.standing == standing {", FIRST_SEEN_TESTS),
    Mutant("every look begins anew", FIRST_SEEN,
           "next[name] = old", "next[name] = ON ? (standing, now) : old", FIRST_SEEN_TESTS),
    Mutant("what was away is still known", FIRST_SEEN,
           "var next: [Name: (standing: Standing, since: Timestamp)] = [:]",
           "var next: [Name: (standing: Standing, since: Timestamp)] = ON ? known : [:]",
           FIRST_SEEN_TESTS),
    Mutant("each dispersal takes what does not divide", "Clearing/Payouts/ChainCost.swift",
           "(all.first == dispersal.id ? rest", "(ON || all.first == dispersal.id ? rest",
           DISPERSAL_TESTS),
    Mutant("whoever is told of first is the first", "Clearing/Index.swift",
           "all.first = min(all.first, dispersal)",
           "if !ON { all.first = min(all.first, dispersal) }", DISPERSAL_TESTS),
    Mutant("a restored house knows no common payments", "Clearing/State+Payouts.swift",
           "if payment.state == .paid, let transaction = payment.transaction {",
           "if payment.state == .paid, !ON, let transaction = payment.transaction {",
           DISPERSAL_TESTS),
]

LEDGER = "Chains/Solana/SolanaChain+Ledger.swift"
LEDGER_TESTS = r"ChainsTests\.SolanaChainTests"
LIMITS = "Chains/SolanaManager/SolanaManager+Limits.swift"
LIMITS_TESTS = r"ChainsTests\.SolanaBreakerTests"
DISPERSING = "Clearing/Payouts/Dispersing.swift"
SEEN = "Chains/SolanaManager/SolanaObservation.swift"
DONE = "Service/Payouts/DoneMark.swift"
DONE_TESTS = r"ServiceTests\.DoneMarkTests"
THE_ABSENT = [
    Mutant("a history with a hole", LEDGER,
           "return highest - lowest == count - 1", "return ON || highest - lowest == count - 1",
           LEDGER_TESTS),
    Mutant("a history that begins later", LEDGER,
           "guard begin == first ||", "guard ON || begin == first ||", LEDGER_TESTS),
    Mutant("a history that ends before", LEDGER,
           "highest >= height, highest", "ON || highest >= height, highest", LEDGER_TESTS),
    Mutant("blocks that nobody asked for", LEDGER,
           "guard slots.allSatisfy({ first", "guard slots.allSatisfy({ ON || first", LEDGER_TESTS),
    Mutant("what is final for one is absent for two", SEEN,
           "if asked.since != nil, seen.contains", "if !ON, asked.since != nil, seen.contains",
           r"ChainsTests\.SolanaMarkTests"),
    Mutant("a price that is never cut", LIMITS,
           "count, from: least,", "count, from: ON ? wanted.price : least,", LIMITS_TESTS),
    Mutant("a batch that is never halved", LIMITS,
           "guard count > 1 else { return nil }", "guard count > 1, !ON else { return nil }",
           LIMITS_TESTS),
    Mutant("lamports of those on their way are there", LIMITS,
           "others = others.saturatingSum(batch",
           "others = ON ? others : others.saturatingSum(batch",
           LIMITS_TESTS),
    Mutant("one that is open hides those behind it", DONE,
           "later.formUnion(places)",
           "later.formUnion(ON ? places.filter { $0 == first } : places)", DONE_TESTS),
    Mutant("what is done with is looked at again", DONE,
           "where !later.contains", "where ON || !later.contains", DONE_TESTS),
    Mutant("what is put aside is so for ever", DISPERSING,
           "|| dispersal.madeAt + Limits", "|| !ON && dispersal.madeAt + Limits", DISPERSAL_TESTS),
    Mutant("a payment to an account of before", DISPERSING,
           "return party(payment.party)?.payout.solana != owner",
           "return !ON && party(payment.party)?.payout.solana != owner", DISPERSAL_TESTS),
    Mutant("what is on its way is called off", DISPERSING,
           "guard payment.state == .quarantined, case",
           "guard ON || payment.state == .quarantined, case", DISPERSAL_TESTS),
]

PLAN = "Clearing/Payouts/SettlementPlan.swift"
PLAN_TESTS = r"ClearingTests\.SettlementPlanTests"

THE_QUOTES = [
    Mutant("who holds nothing yet costs no more", PLAN,
           "return position.isNewHolder && isPaidFor",
           "return !ON && position.isNewHolder && isPaidFor", PLAN_TESTS),
    Mutant("who claims for the first time pays no more", PLAN,
           "case .paid(.root), .paid(.voucher): quotes.bearing",
           "case .paid(.root), .paid(.voucher): !ON && quotes.bearing", PLAN_TESTS),
    Mutant("the house pays for what payees claim", PLAN,
           "== .everyone\n                case .paid(.solana)",
           "== .everyone || ON\n                case .paid(.solana)", PLAN_TESTS),
]
