import Clearing
import ClearingWorld
import Economics
import Primitives
import Testing

/// What it costs not to show one's weights.
@Suite struct UnprovenWeightsTests {
    @Test func theFirstTimeWarnsAndTheSecondTakesTheEmission() throws {
        var world = World()
        let node = NodeID(1)
        let party = try #require(world.house.node(node)).party
        let command = Command.noteUnprovenWeights(node, challenge: World.digest(4))
        #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
        let bond = world.house.balance(.bonded, .usd, of: party)
        #expect(
            world.run(command)
                == [.faultNoted(node, code: .weightsUnproven, rung: .withholdUnit)])
        #expect(
            world.run(command)
                == [.faultNoted(node, code: .weightsUnproven, rung: .loseEpochReward)])
        #expect(world.house.party(party)?.livenessFaults == 2)
        #expect(world.house.party(party)?.objectiveFaults == 0)
        #expect(world.house.balance(.bonded, .usd, of: party) == bond)
        #expect(FaultCode.weightsUnproven.faultClass == .liveness)
    }
}
