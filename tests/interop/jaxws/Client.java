// Every operation through JAX-WS, as its users write it: classes that wsimport has made.
package VERSION;

import VERSION.resource.Resource;
import VERSION.resource.ResourceService;
import VERSION.resource.ResourceService_Service;
import VERSION.scheduling.*;
import java.io.PrintStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.GregorianCalendar;
import java.util.List;
import java.util.Set;
import javax.xml.datatype.DatatypeFactory;
import javax.xml.datatype.XMLGregorianCalendar;
import javax.xml.namespace.QName;
import javax.xml.soap.SOAPException;
import javax.xml.ws.BindingProvider;
import javax.xml.ws.WebServiceException;
import javax.xml.ws.handler.MessageContext;
import javax.xml.ws.handler.soap.SOAPHandler;
import javax.xml.ws.handler.soap.SOAPMessageContext;
import javax.xml.ws.soap.SOAPFaultException;

public final class Client {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final Set<JobStatusType> GOING =
        Set.of(JobStatusType.SCHEDULED, JobStatusType.ACTIVE, JobStatusType.ABORTING);

    private interface Step {
        void run() throws Exception;
    }

    /** Sees the fault before it becomes an exception. */
    private static final class FaultCodes implements SOAPHandler<SOAPMessageContext> {
        private static String last = "";

        @Override
        public boolean handleFault(SOAPMessageContext context) {
            try {
                last = context.getMessage().getSOAPBody().getFault().getFaultCode();
            } catch (SOAPException error) {
                throw new WebServiceException(error);
            }
            return true;
        }

        @Override
        public boolean handleMessage(SOAPMessageContext context) {
            return true;
        }

        @Override
        public Set<QName> getHeaders() {
            return Set.of();
        }

        @Override
        public void close(MessageContext context) {
        }
    }

    private final SchedulingService scheduling;
    private final ResourceService resources;
    private String job;
    private String resource;

    private Client() throws Exception {
        scheduling = port(given("PASSWORD"));
        resources = new ResourceService_Service(new URL(given("RESOURCES_WSDL"))).getPort(ResourceService.class);
        login((BindingProvider) resources, given("PASSWORD"));
    }

    private static SchedulingService port(String password) throws Exception {
        SchedulingService port =
            new SchedulingService_Service(new URL(given("SCHEDULING_WSDL"))).getPort(SchedulingService.class);
        login((BindingProvider) port, password);
        ((BindingProvider) port).getBinding().setHandlerChain(List.of(new FaultCodes()));
        return port;
    }

    private static void login(BindingProvider port, String password) {
        port.getRequestContext().put(BindingProvider.USERNAME_PROPERTY, given("LOGIN"));
        port.getRequestContext().put(BindingProvider.PASSWORD_PROPERTY, password);
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

    private static Instant instant(XMLGregorianCalendar date) {
        return date.toGregorianCalendar().toInstant();
    }

    private static String shown(Instant moment) {
        return moment.toString().replace("Z", "+00:00");
    }

    private static String shown(JobWhat one) {
        return one.getID() + "|" + one.getType().value() + "|" + one.getName();
    }

    private static String shown(JobWho one) {
        return one.getID() + "|" + one.getType().value() + "|" + one.getName();
    }

    private static void listing(String step, ArrayOfJobWhat found) {
        found.getJobWhat().forEach(one -> tell(step, "item", shown(one)));
    }

    private static void listing(String step, ArrayOfJobWho found) {
        found.getJobWho().forEach(one -> tell(step, "item", shown(one)));
    }

    private static void parameters(String step, ParameterSet set) {
        tell(step, "set", String.join("|", set.getType().value(), set.getTaskContainerGuid(), set.getTaskContainerName()));
        for (Parameter one : set.getJobParameters().getParameter()) {
            tell(step, "parameter", String.join("|", one.getName(), one.getType().value(), text(one.getValue1()),
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
        ArrayOfParameter given = new ArrayOfParameter();
        for (String[] one : values) {
            Parameter parameter = new Parameter();
            parameter.setName(one[0]);
            parameter.setValue1(one[1]);
            given.getParameter().add(parameter);
        }
        ParameterSet set = new ParameterSet();
        set.setType(JobWhatType.MODULE);
        set.setTaskContainerGuid(module);
        set.setJobParameters(given);
        JobWhat what = new JobWhat();
        what.setID(module);
        what.setType(JobWhatType.MODULE);
        Job job = new Job();
        job.setDescription(given("DESCRIPTION"));
        job.setWhen(when);
        job.setWhat(new ArrayOfJobWhat());
        job.getWhat().getJobWhat().add(what);
        job.setWho(new ArrayOfJobWho());
        job.getWho().getJobWho().add(who(given("AGENT"), null, JobWhoType.AGENT));
        job.setParameters(new ArrayOfParameterSet());
        job.getParameters().getParameterSet().add(set);
        return job;
    }

    private void schedule() throws Exception {
        GregorianCalendar start = GregorianCalendar.from(ZonedDateTime.from(OffsetDateTime.parse(given("START"))));
        When when = new When();
        when.setScheduledDateTime(DatatypeFactory.newInstance().newXMLGregorianCalendar(start));
        when.setImmediate(false);
        when.setIsLocalTime(false);
        Job made = scheduling.scheduleJob(order(given("MODULE"), when,
            new String[] {"Title", given("TITLE")}, new String[] {"Size", "L"},
            new String[] {"Note", given("NOTE")}, new String[] {"Empty", ""},
            new String[] {"Secret", given("SECRET")}));
        job = made.getJobID();
        tell("schedule", "id", job);
        tell("schedule", "status", made.getStatus().getType().value());
        tell("schedule", "invoker", made.getStatus().getJobInvoker());
    }

    private void get() throws Exception {
        Job found = scheduling.getJob(job);
        tell("get", "description", found.getDescription());
        tell("get", "start", shown(instant(found.getWhen().getScheduledDateTime())));
        tell("get", "status", found.getStatus().getType().value());
        tell("get", "immediate", found.getWhen().isImmediate());
        found.getWhat().getJobWhat().forEach(one -> tell("get", "what", shown(one)));
        found.getWho().getJobWho().forEach(one -> tell("get", "who", shown(one)));
        for (Parameter one : found.getParameters().getParameterSet().get(0).getJobParameters().getParameter()) {
            tell("get", "parameter", String.join("|", one.getName(), one.getType().value(), text(one.getValue1())));
        }
    }

    private void page() throws Exception {
        for (int number = 1; number <= 2; number++) {
            JobsPage page = scheduling.getJobs("Scheduled", null, null, number, 2);
            tell("page", "current", page.getCurrentPage());
            tell("page", "pages", page.getPageCount());
            String key = number == 1 ? "first" : "second";
            page.getItems().getJob().forEach(one -> tell("page", key, one.getJobID()));
        }
    }

    private void abort() throws Exception {
        JobStatus wanted = new JobStatus();
        wanted.setType(JobStatusType.ABORTING);
        JobStatus status = scheduling.abortJob(job, wanted);
        tell("abort", "id", job);
        tell("abort", "status", status.getType().value());
    }

    private void results() throws Exception {
        byte[] document = scheduling.exportJobResults(given("FINISHED"), true, true).getXml();
        tell("results", "text", new String(document, StandardCharsets.UTF_16LE));
    }

    private void teamsReport() throws Exception {
        for (TeamReport team : scheduling.getTeamsReport().getTeamReport()) {
            tell("teamsreport", "team", team.getID() + "|" + team.getName());
            for (TeamAgent agent : team.getAgents().getTeamAgent()) {
                tell("teamsreport", "agent", team.getName() + "|" + agent.getName() + "|" + agent.isOnline());
            }
        }
    }

    private void usage() throws Exception {
        for (JobUsage one : scheduling.getJobUsageReport("20200101000000", "20991231235959").getJobUsage()) {
            tell("usage", "job", String.join("|", one.getJobID(), one.getDescription(), one.getStatus().value(),
                shown(instant(one.getStartDateTime())), text(one.getDurationSeconds()), text(one.getAgents())));
        }
    }

    private void runBookJobs() throws Exception {
        for (Job one : scheduling.getRunBookJobs(given("BOOK")).getJob()) {
            tell("runbookjobs", "job", one.getJobID() + "|" + one.getDescription() + "|" + one.getStatus().getType().value());
        }
    }

    private void membership() throws Exception {
        JobWho team = who(null, given("TEAM"), JobWhoType.TEAM);
        JobWho agent = who(null, given("MEMBER"), JobWhoType.AGENT);
        AgentMembership put = new AgentMembership();
        put.setAgent(agent);
        put.setAddTo(new ArrayOfJobWho());
        put.getAddTo().getJobWho().add(team);
        for (JobWho one : scheduling.modifyAgentMembership(put).getMemberOf().getJobWho()) {
            tell("membership", "memberof", one.getName());
        }
        TeamMembership taken = new TeamMembership();
        taken.setTeam(team);
        taken.setRemove(new ArrayOfJobWho());
        taken.getRemove().getJobWho().add(agent);
        TeamMembership left = scheduling.modifyTeamMembership(taken);
        tell("membership", "team", left.getTeam().getName());
        left.getMembers().getJobWho().forEach(one -> tell("membership", "member", one.getName()));
    }

    private void remove() throws Exception {
        AgentRemoval removal = new AgentRemoval();
        removal.setAgent(who(null, given("SPARE"), JobWhoType.AGENT));
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
        } while (GOING.contains(status) && System.currentTimeMillis() < end);
        tell("download", "id", id);
        tell("download", "status", status.value());
    }

    private static void fault(String step, SchedulingService service, String id) {
        try {
            service.getJob(id);
        } catch (DispatcherFault_Exception error) {
            DispatcherFault told = error.getFaultInfo();
            // The typed exception keeps the detail and the text; the code is a handler's to see.
            tell(step, "code", FaultCodes.last);
            tell(step, "text", error.getMessage());
            tell(step, "Code", told.getCode());
            tell(step, "Message", told.getMessage());
            tell(step, "RequestId", told.getRequestId());
        } catch (SOAPFaultException error) {
            tell(step, "failed", "untyped: " + error.getFault().getFaultCode() + " " + error.getMessage());
        } catch (WebServiceException error) {
            tell(step, "refused", error.getMessage());
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
