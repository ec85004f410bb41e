// Every operation through WCF's BasicHttpBinding with Basic, as its users write it: channels of a factory.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.ServiceModel;
using System.Text;
using System.Threading;
using Scheduling;

static class Client
{
    static readonly ISchedulingService scheduling = Channel<ISchedulingService>("SCHEDULING", Given("PASSWORD"));
    static readonly IResourceService resources = Channel<IResourceService>("RESOURCES", Given("PASSWORD"));
    static string job;
    static string resource;

    static T Channel<T>(string address, string password)
    {
        var binding = new BasicHttpBinding { MaxReceivedMessageSize = 64 << 20, SendTimeout = TimeSpan.FromMinutes(2) };
        binding.ReaderQuotas.MaxStringContentLength = 64 << 20;
        binding.ReaderQuotas.MaxArrayLength = 64 << 20;
        binding.Security.Mode = BasicHttpSecurityMode.TransportCredentialOnly;
        binding.Security.Transport.ClientCredentialType = HttpClientCredentialType.Basic;
        var factory = new ChannelFactory<T>(binding, new EndpointAddress(Given(address)));
        factory.Credentials.UserName.UserName = Given("LOGIN");
        factory.Credentials.UserName.Password = password;
        return factory.CreateChannel();
    }

    static string Given(string name) => Environment.GetEnvironmentVariable(name);

    static void Tell(string step, string key, object value)
    {
        var text = Convert.ToString(value).Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\r", "\\r").Replace("\t", "\\t");
        Console.WriteLine($"{step}\t{key}\t{text}");
    }

    static string Utc(DateTime moment) => moment.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ss.fff+00:00");

    static string Shown(bool value) => value ? "true" : "false";

    static void Listing(string step, JobWhat[] found)
    {
        foreach (var one in found) Tell(step, "item", $"{one.ID}|{one.Type}|{one.Name}");
    }

    static void Listing(string step, JobWho[] found)
    {
        foreach (var one in found) Tell(step, "item", $"{one.ID}|{one.Type}|{one.Name}");
    }

    static void Parameters(string step, ParameterSet set)
    {
        Tell(step, "set", $"{set.Type}|{set.TaskContainerGuid}|{set.TaskContainerName}");
        foreach (var one in set.JobParameters)
            Tell(step, "parameter", $"{one.Name}|{one.Type}|{one.Value1}|{one.Value2}|{one.Value3}|{one.Hint}");
    }

    static JobWho Who(string id, string name, JobWhoType type) =>
        new JobWho { ID = id, Name = name, Type = type, TypeSpecified = true };

    static Job Order(string module, When when, params string[][] values) => new Job
    {
        Description = Given("DESCRIPTION"),
        When = when,
        What = new[] { new JobWhat { ID = module, Type = JobWhatType.Module, TypeSpecified = true } },
        Who = new[] { Who(Given("AGENT"), null, JobWhoType.Agent) },
        Parameters = new[]
        {
            new ParameterSet
            {
                Type = JobWhatType.Module,
                TypeSpecified = true,
                TaskContainerGuid = module,
                JobParameters = values.Select(one => new Parameter { Name = one[0], Value1 = one[1] }).ToArray(),
            },
        },
    };

    static When AtOnce() => new When { Immediate = true, ImmediateSpecified = true };

    static void Schedule()
    {
        var when = new When
        {
            ScheduledDateTime = DateTimeOffset.Parse(Given("START")).LocalDateTime,
            ScheduledDateTimeSpecified = true,
            ImmediateSpecified = true,
            IsLocalTimeSpecified = true,
        };
        var made = scheduling.ScheduleJob(Order(Given("MODULE"), when,
            new[] { "Title", Given("TITLE") }, new[] { "Size", "L" }, new[] { "Note", Given("NOTE") },
            new[] { "Empty", "" }, new[] { "Secret", Given("SECRET") }));
        job = made.JobID;
        Tell("schedule", "id", job);
        Tell("schedule", "status", made.Status.Type);
        Tell("schedule", "invoker", made.Status.JobInvoker);
    }

    static void Get()
    {
        var found = scheduling.GetJob(job);
        Tell("get", "description", found.Description);
        Tell("get", "start", Utc(found.When.ScheduledDateTime));
        Tell("get", "status", found.Status.Type);
        Tell("get", "immediate", Shown(found.When.Immediate));
        foreach (var one in found.What) Tell("get", "what", $"{one.ID}|{one.Type}|{one.Name}");
        foreach (var one in found.Who) Tell("get", "who", $"{one.ID}|{one.Type}|{one.Name}");
        foreach (var one in found.Parameters[0].JobParameters)
            Tell("get", "parameter", $"{one.Name}|{one.Type}|{one.Value1}");
    }

    static void Page()
    {
        for (var number = 1; number <= 2; number++)
        {
            var page = scheduling.GetJobs("Scheduled", true, true, number, 2);
            Tell("page", "current", page.CurrentPage);
            Tell("page", "pages", page.PageCount);
            foreach (var one in page.Items) Tell("page", number == 1 ? "first" : "second", one.JobID);
        }
    }

    static void Abort()
    {
        var status = scheduling.AbortJob(job, new JobStatus { Type = JobStatusType.Aborting, TypeSpecified = true });
        Tell("abort", "id", job);
        Tell("abort", "status", status.Type);
    }

    static void Results()
    {
        var document = scheduling.ExportJobResults(Given("FINISHED"), true, true).Xml;
        Tell("results", "text", Encoding.Unicode.GetString(document));
    }

    static void TeamsReport()
    {
        foreach (var team in scheduling.GetTeamsReport())
        {
            Tell("teamsreport", "team", $"{team.ID}|{team.Name}");
            foreach (var agent in team.Agents) Tell("teamsreport", "agent", $"{team.Name}|{agent.Name}|{Shown(agent.Online)}");
        }
    }

    static void Usage()
    {
        foreach (var one in scheduling.GetJobUsageReport("20200101000000", "20991231235959"))
        {
            var seconds = one.DurationSecondsSpecified ? one.DurationSeconds.ToString() : "";
            Tell("usage", "job", $"{one.JobID}|{one.Description}|{one.Status}|{Utc(one.StartDateTime)}|{seconds}|{one.Agents}");
        }
    }

    static void RunBookJobs()
    {
        foreach (var one in scheduling.GetRunBookJobs(Given("BOOK")))
            Tell("runbookjobs", "job", $"{one.JobID}|{one.Description}|{one.Status.Type}");
    }

    static void Membership()
    {
        var team = Who(null, Given("TEAM"), JobWhoType.Team);
        var agent = Who(null, Given("MEMBER"), JobWhoType.Agent);
        var put = scheduling.ModifyAgentMembership(new AgentMembership { Agent = agent, AddTo = new[] { team } });
        foreach (var one in put.MemberOf) Tell("membership", "memberof", one.Name);
        var taken = scheduling.ModifyTeamMembership(new TeamMembership { Team = team, Remove = new[] { agent } });
        Tell("membership", "team", taken.Team.Name);
        foreach (var one in taken.Members ?? new JobWho[0]) Tell("membership", "member", one.Name);
    }

    static void Remove()
    {
        var gone = scheduling.RemoveAgent(new AgentRemoval { Agent = Who(null, Given("SPARE"), JobWhoType.Agent) });
        Tell("remove", "name", gone.Agent.Name);
    }

    static void Upload()
    {
        var content = File.ReadAllBytes(Given("FILE"));
        var stored = resources.UploadResource("file.bin", Given("RESOURCE"), content);
        resource = stored.ID;
        Tell("upload", "id", resource);
        Tell("upload", "name", stored.Name);
        Tell("upload", "size", stored.Size);
        Tell("upload", "sha256", stored.Sha256);
    }

    static void Download()
    {
        var id = scheduling.ScheduleJob(Order(Given("FETCHING"), AtOnce(), new[] { "Resource", Given("RESOURCE") })).JobID;
        var end = DateTime.UtcNow.AddMinutes(1);
        JobStatusType status;
        do
        {
            Thread.Sleep(100);
            status = scheduling.GetJob(id).Status.Type;
        } while ((status == JobStatusType.Scheduled || status == JobStatusType.Active) && DateTime.UtcNow < end);
        Tell("download", "id", id);
        Tell("download", "status", status);
    }

    static void Fault(string step, ISchedulingService service, string id)
    {
        try
        {
            service.GetJob(id);
        }
        catch (FaultException<FaultDetail> error)
        {
            Tell(step, "code", error.Code.Name);
            Tell(step, "text", error.Reason.ToString());
            Tell(step, "Code", error.Detail.Code);
            Tell(step, "Message", error.Detail.Message);
            Tell(step, "RequestId", error.Detail.RequestId);
        }
        catch (Exception error) when (error is CommunicationException || error is WebException)
        {
            // .NET raises the former, Mono the latter.
            Tell(step, "refused", $"{error.GetType().Name}: {error.Message}");
        }
    }

    static void Main()
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        var module = Given("MODULE");
        var steps = new (string, Action)[]
        {
            ("modules", () => Listing("modules", scheduling.GetModules())),
            ("projects", () => Listing("projects", scheduling.GetProjects())),
            ("runbooks", () => Listing("runbooks", scheduling.GetRunBooks())),
            ("agents", () => Listing("agents", scheduling.GetWho(true, false))),
            ("teams", () => Listing("teams", scheduling.GetWho(false, true))),
            ("inputs", () => Parameters("inputs", scheduling.GetInputParameters("Module", module))),
            ("outputs", () => Parameters("outputs", scheduling.GetOutputParameters("Module", module))),
            ("schedule", Schedule), ("get", Get), ("page", Page), ("abort", Abort), ("results", Results),
            ("teamsreport", TeamsReport), ("usage", Usage), ("runbookjobs", RunBookJobs),
            ("membership", Membership), ("remove", Remove), ("upload", Upload), ("download", Download),
            ("delete", () => Tell("delete", "id", resources.DeleteResource(resource).ID)),
            ("wrong-password", () => Fault("wrong-password", Channel<ISchedulingService>("SCHEDULING", "wrong"), Given("UNKNOWN"))),
            ("unknown-id", () => Fault("unknown-id", scheduling, Given("UNKNOWN"))),
            ("malformed", () => Fault("malformed", scheduling, "no guid")),
        };
        foreach (var pair in steps)
        {
            var name = pair.Item1;
            var step = pair.Item2;
            try
            {
                step();
            }
            catch (Exception error)
            {
                Console.WriteLine(error);
                Tell(name, "failed", $"{error.GetType().Name}: {error.Message}");
            }
        }
    }
}
