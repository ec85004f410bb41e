// The service contracts, in the form that .NET's svcutil gives to contracts for its XmlSerializer.
using System.Runtime.Serialization;
using System.ServiceModel;
using Scheduling;

[DataContract(Name = "DispatcherFault", Namespace = SchedulingContract.Namespace)]
public class FaultDetail
{
    [DataMember] public string Code;
    [DataMember] public string Message;
    [DataMember] public string RequestId;
}

public static class SchedulingContract
{
    public const string Namespace = "urn:dispatcher-gateway:scheduling:1";
}

public static class ResourceContract
{
    public const string Namespace = "urn:dispatcher-gateway:resource:1";
}

[ServiceContract(Name = "SchedulingService", Namespace = SchedulingContract.Namespace)]
public interface ISchedulingService
{
    [OperationContract(Action = SchedulingContract.Namespace + "/ScheduleJob", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    Job ScheduleJob(Job job);

    [OperationContract(Action = SchedulingContract.Namespace + "/GetJobs", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    JobsPage GetJobs(string stage, bool runBookJobs, bool recurringJobs, int page, int pageSize);

    [OperationContract(Action = SchedulingContract.Namespace + "/GetJob", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    Job GetJob(string jobId);

    [OperationContract(Action = SchedulingContract.Namespace + "/GetRunBookJobs", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    Job[] GetRunBookJobs(string jobId);

    [OperationContract(Action = SchedulingContract.Namespace + "/AbortJob", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    JobStatus AbortJob(string jobId, JobStatus status);

    [OperationContract(Action = SchedulingContract.Namespace + "/ExportJobResults", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    JobResults ExportJobResults(string jobId, bool includeOverview, bool includeDetailed);

    [OperationContract(Action = SchedulingContract.Namespace + "/GetModules", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    JobWhat[] GetModules();

    [OperationContract(Action = SchedulingContract.Namespace + "/GetProjects", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    JobWhat[] GetProjects();

    [OperationContract(Action = SchedulingContract.Namespace + "/GetRunBooks", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    JobWhat[] GetRunBooks();

    [OperationContract(Action = SchedulingContract.Namespace + "/GetInputParameters", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    ParameterSet GetInputParameters(string whatType, string whatId);

    [OperationContract(Action = SchedulingContract.Namespace + "/GetOutputParameters", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    ParameterSet GetOutputParameters(string whatType, string whatId);

    [OperationContract(Action = SchedulingContract.Namespace + "/GetWho", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    JobWho[] GetWho(bool agents, bool teams);

    [OperationContract(Action = SchedulingContract.Namespace + "/ModifyAgentMembership", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    AgentMembership ModifyAgentMembership(AgentMembership membership);

    [OperationContract(Action = SchedulingContract.Namespace + "/ModifyTeamMembership", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    TeamMembership ModifyTeamMembership(TeamMembership membership);

    [OperationContract(Action = SchedulingContract.Namespace + "/RemoveAgent", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    AgentRemoval RemoveAgent(AgentRemoval removal);

    [OperationContract(Action = SchedulingContract.Namespace + "/GetTeamsReport", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    TeamReport[] GetTeamsReport();

    [OperationContract(Action = SchedulingContract.Namespace + "/GetJobUsageReport", ReplyAction = "*")]
    [XmlSerializerFormat]
    [FaultContract(typeof(FaultDetail), Name = "DispatcherFault")]
    JobUsage[] GetJobUsageReport(string start, string stop);
}

[ServiceContract(Name = "ResourceService", Namespace = ResourceContract.Namespace)]
public interface IResourceService
{
    [OperationContract(Action = ResourceContract.Namespace + "/UploadResource", ReplyAction = "*")]
    [XmlSerializerFormat]
    Resources.Resource UploadResource(string filename, string name, byte[] content);

    [OperationContract(Action = ResourceContract.Namespace + "/DeleteResource", ReplyAction = "*")]
    [XmlSerializerFormat]
    Resources.Resource DeleteResource(string guid);
}
