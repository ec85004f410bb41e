// Every operation through Axis 1.4, as its users write it: classes that WSDL2Java has made.

import java.io.PrintStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.Calendar;
import java.util.GregorianCalendar;
import org.apache.axis.AxisFault;
import org.apache.axis.client.Stub;
import resource.Resource;
import resource.ResourceService_PortType;
import resource.ResourceService_ServiceLocator;
import scheduling.AgentMembership;
import scheduling.AgentRemoval;
import scheduling.DispatcherFault;
import scheduling.Job;
import scheduling.JobStatus;
import scheduling.JobStatusType;
import scheduling.JobUsage;
import scheduling.JobWhat;
import scheduling.JobWhatType;
import scheduling.JobWho;
import scheduling.JobWhoType;
import scheduling.JobsPage;
import scheduling.Parameter;
import scheduling.ParameterSet;
import scheduling.SchedulingService_PortType;
import scheduling.SchedulingService_ServiceLocator;
import scheduling.TeamAgent;
import scheduling.TeamMembership;
import scheduling.TeamReport;
import scheduling.When;

public final class Client {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private interface Step {
        void run() throws Exception;
    }

    private final SchedulingService_PortType scheduling;
    private final ResourceService_PortType resources;
    private String job;
    private String resource;

    private Client() throws Exception {
        scheduling = port(given("PASSWORD"));
        resources = new ResourceService_ServiceLocator().getResourceServiceSoap11(new URL(given("RESOURCES")));
        login(resources, given("PASSWORD"));
    }

    private static SchedulingService_PortType port(String password) throws Exception {
        SchedulingService_PortType port =
            new SchedulingService_ServiceLocator().getSchedulingServiceSoap11(new URL(given("SCHEDULING")));
        login(port, password);
        return port;
    }

    private static void login(Object port, String password) {
        ((Stub) port).setUsername(given("LOGIN"));
        ((Stub) port).setPassword(password);
        ((Stub) port).setTimeout(120_000);
    }

    private static String given(String name) {
        return System.getenv(name);
    }

    private static String text(Object value) {
        return value == null ? "" : value.toString();
    }

    private static void tell(String step, String key, Object value) {
        String told = text(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t");
        OUT.println(step + "\t" + key + "\t" + told);
    }

    private static String shown(Calendar date) {
        return date.toInstant().toString().replace("Z", "+00:00");
    }

    private static void listing(String step, JobWhat[] found) {
        for (JobWhat one : found) {
            tell(step, "item", one.getID() + "|" + one.getType() + "|" + one.getName());
        }
    }

    private static void listing(String step, JobWho[] found) {
        for (JobWho one : found) {
            tell(step, "item", one.getID() + "|" + one.getType() + "|" + one.getName());
        }
    }

    private static void parameters(String step, ParameterSet set) {
        tell(step, "set", set.getType() + "|" + set.getTaskContainerGuid() + "|" + set.getTaskContainerName());
        for (Parameter one : set.getJobParameters()) {
            tell(step, "parameter", String.join("|", one.getName(), text(one.getType()), text(one.getValue1()),
                text(one.getValue2()), text(one.getValue3()), text(one.getHint())));
        }
    }

    private static JobWho who(String id, String name, JobWhoType type) {
        JobWho made = new JobWho();
        made.setID(id);
        made.setName(name);
        made.setType(type);
        return made;
    }

    private static Job order(String module, When when, String[]... values) {
        Parameter[] given = new Parameter[values.length];
        for (int at = 0; at < values.length; at++) {
            given[at] = new Parameter();
            given[at].setName(values[at][0]);
            given[at].setValue1(values[at][1]);
        }
        ParameterSet set = new ParameterSet();
        set.setType(JobWhatType.Module);
        set.setTaskContainerGuid(module);
        set.setJobParameters(given);
        JobWhat what = new JobWhat();
        what.setID(module);
        what.setType(JobWhatType.Module);
        Job job = new Job();
        job.setDescription(given("DESCRIPTION"));
        job.setWhen(when);
        job.setWhat(new JobWhat[] {what});
        job.setWho(new JobWho[] {who(given("AGENT"), null, JobWhoType.Agent)});
        job.setParameters(new ParameterSet[] {set});
        return job;
    }

    private void schedule() throws Exception {
        When when = new When();
        when.setScheduledDateTime(GregorianCalendar.from(ZonedDateTime.from(OffsetDateTime.parse(given("START")))));
        when.setImmediate(false);
        when.setIsLocalTime(false);
        Job made = scheduling.scheduleJob(order(given("MODULE"), when,
            new String[] {"Title", given("TITLE")}, new String[] {"Size", "L"},
            new String[] {"Note", given("NOTE")}, new String[] {"Empty", ""},
            new String[] {"Secret", given("SECRET")}));
        job = made.getJobID();
        tell("schedule", "id", job);
        tell("schedule", "status", made.getStatus().getType());
        tell("schedule", "invoker", made.getStatus().getJobInvoker());
    }

    private void get() throws Exception {
        Job found = scheduling.getJob(job);
        tell("get", "description", found.getDescription());
        tell("get", "start", shown(found.getWhen().getScheduledDateTime()));
        tell("get", "status", found.getStatus().getType());
        tell("get", "immediate", found.getWhen().getImmediate());
        for (JobWhat one : found.getWhat()) {
            tell("get", "what", one.getID() + "|" + one.getType() + "|" + one.getName());
        }
        for (JobWho one : found.getWho()) {
            tell("get", "who", one.getID() + "|" + one.getType() + "|" + one.getName());
        }
        for (Parameter one : found.getParameters()[0].getJobParameters()) {
            tell("get", "parameter", one.getName() + "|" + one.getType() + "|" + text(one.getValue1()));
        }
    }

    private void page() throws Exception {
        for (int number = 1; number <= 2; number++) {
            JobsPage page = scheduling.getJobs("Scheduled", null, null, number, 2);
            tell("page", "current", page.getCurrentPage());
            tell("page", "pages", page.getPageCount());
            for (Job one : page.getItems()) {
                tell("page", number == 1 ? "first" : "second", one.getJobID());
            }
        }
    }

    private void abort() throws Exception {
        JobStatus wanted = new JobStatus();
        wanted.setType(JobStatusType.Aborting);
        JobStatus status = scheduling.abortJob(job, wanted);
        tell("abort", "id", job);
        tell("abort", "status", status.getType());
    }

    private void results() throws Exception {
        byte[] document = scheduling.exportJobResults(given("FINISHED"), true, true).getXml();
        tell("results", "text", new String(document, StandardCharsets.UTF_16LE));
    }

    private void teamsReport() throws Exception {
        for (TeamReport team : scheduling.getTeamsReport()) {
            tell("teamsreport", "team", team.getID() + "|" + team.getName());
            if (team.getAgents() == null) {
                continue;
            }
            for (TeamAgent agent : team.getAgents()) {
                tell("teamsreport", "agent", team.getName() + "|" + agent.getName() + "|" + agent.getOnline());
            }
        }
    }

    private void usage() throws Exception {
        for (JobUsage one : scheduling.getJobUsageReport("20200101000000", "20991231235959")) {
            tell("usage", "job", String.join("|", one.getJobID(), one.getDescription(), text(one.getStatus()),
                shown(one.getStartDateTime()), text(one.getDurationSeconds()), text(one.getAgents())));
        }
    }

    private void runBookJobs() throws Exception {
        for (Job one : scheduling.getRunBookJobs(given("BOOK"))) {
            tell("runbookjobs", "job", one.getJobID() + "|" + one.getDescription() + "|" + one.getStatus().getType());
        }
    }

    private void membership() throws Exception {
        JobWho team = who(null, given("TEAM"), JobWhoType.Team);
        JobWho agent = who(null, given("MEMBER"), JobWhoType.Agent);
        AgentMembership put = new AgentMembership();
        put.setAgent(agent);
        put.setAddTo(new JobWho[] {team});
        for (JobWho one : scheduling.modifyAgentMembership(put).getMemberOf()) {
            tell("membership", "memberof", one.getName());
        }
        TeamMembership taken = new TeamMembership();
        taken.setTeam(team);
        taken.setRemove(new JobWho[] {agent});
        TeamMembership left = scheduling.modifyTeamMembership(taken);
        tell("membership", "team", left.getTeam().getName());
        for (JobWho one : left.getMembers() == null ? new JobWho[0] : left.getMembers()) {
            tell("membership", "member", one.getName());
        }
    }

    private void remove() throws Exception {
        AgentRemoval removal = new AgentRemoval();
        removal.setAgent(who(null, given("SPARE"), JobWhoType.Agent));
        tell("remove", "name", scheduling.removeAgent(removal).getAgent().getName());
    }

    private void upload() throws Exception {
        byte[] content = Files.readAllBytes(Paths.get(given("FILE")));
        Resource stored = resources.uploadResource(null, "file.bin", given("RESOURCE"), null, null, null, null, null, content);
        resource = stored.getID();
        tell("upload", "id", resource);
        tell("upload", "name", stored.getName());
        tell("upload", "size", stored.getSize());
        tell("upload", "sha256", stored.getSha256());
    }

    private void download() throws Exception {
        When when = new When();
        when.setImmediate(true);
        String id = scheduling.scheduleJob(
            order(given("FETCHING"), when, new String[][] {{"Resource", given("RESOURCE")}})).getJobID();
        JobStatusType status;
        long end = System.currentTimeMillis() + 60_000;
        do {
            Thread.sleep(100);
            status = scheduling.getJob(id).getStatus().getType();
            // Enumerations are values here: the same text is the same object.
        } while ((status == JobStatusType.Scheduled || status == JobStatusType.Active) && System.currentTimeMillis() < end);
        tell("download", "id", id);
        tell("download", "status", status);
    }

    private static void fault(String step, SchedulingService_PortType service, String id) throws Exception {
        try {
            service.getJob(id);
        } catch (DispatcherFault error) {
            tell(step, "code", error.getFaultCode().getLocalPart());
            tell(step, "text", error.getFaultString());
            tell(step, "Code", error.getCode());
            // Message would be that of all exceptions.
            tell(step, "Message", error.getMessage1());
            tell(step, "RequestId", error.getRequestId());
        } catch (AxisFault error) {
            tell(step, "refused", error.getFaultCode() + " " + error.getFaultString());
        }
    }

    private void run() {
        step("modules", () -> listing("modules", scheduling.getModules()));
        step("projects", () -> listing("projects", scheduling.getProjects()));
        step("runbooks", () -> listing("runbooks", scheduling.getRunBooks()));
        step("agents", () -> listing("agents", scheduling.getWho(true, null, null, null, null)));
        step("teams", () -> listing("teams", scheduling.getWho(null, true, null, null, null)));
        step("inputs", () -> parameters("inputs", scheduling.getInputParameters("Module", given("MODULE"))));
        step("outputs", () -> parameters("outputs", scheduling.getOutputParameters("Module", given("MODULE"))));
        step("schedule", this::schedule);
        step("get", this::get);
        step("page", this::page);
        step("abort", this::abort);
        step("results", this::results);
        step("teamsreport", this::teamsReport);
        step("usage", this::usage);
        step("runbookjobs", this::runBookJobs);
        step("membership", this::membership);
        step("remove", this::remove);
        step("upload", this::upload);
        step("download", this::download);
        step("delete", () -> tell("delete", "id", resources.deleteResource(resource, null).getID()));
        step("wrong-password", () -> fault("wrong-password", port("wrong"), given("UNKNOWN")));
        step("unknown-id", () -> fault("unknown-id", scheduling, given("UNKNOWN")));
        step("malformed", () -> fault("malformed", scheduling, "no guid"));
    }

    private static void step(String name, Step step) {
        try {
            step.run();
        } catch (Exception error) {
            error.printStackTrace(OUT);
            tell(name, "failed", error);
        }
    }

    public static void main(String[] arguments) throws Exception {
        new Client().run();
    }
}
