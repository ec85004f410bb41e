// Every operation through node's soap, as its users write it: promises, plain objects.
'use strict';

const fs = require('fs');
const soap = require('soap');

const given = process.env;
const FINAL = ['Aborted', 'Completed', 'Failed', 'FailedHalted', 'Canceled', 'CompletedWithErrors'];

function tell(step, key, value) {
  const text = String(value === undefined || value === null ? '' : value)
    .replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t');
  console.log(`${step}\t${key}\t${text}`);
}

async function client(wsdl, password) {
  const made = await soap.createClientAsync(wsdl, {forceSoap12Headers: given.VERSION === '1.2'});
  made.setSecurity(new soap.BasicAuthSecurity(given.LOGIN, password));
  return made;
}

// An empty element comes as null or as an object of its attributes.
const text = (value) => (typeof value === 'string' ? value : '');
const list = (value) => (value === undefined || value === null ? [] : [].concat(value));
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function listing(step, items) {
  for (const one of list(items)) tell(step, 'item', `${one.ID}|${one.Type}|${one.Name}`);
}

function parameters(step, set) {
  tell(step, 'set', `${set.Type}|${set.TaskContainerGuid}|${set.TaskContainerName}`);
  for (const one of list(set.JobParameters.Parameter)) {
    const values = [one.Value1, one.Value2, one.Value3, one.Hint].map(text);
    tell(step, 'parameter', [one.Name, one.Type, ...values].join('|'));
  }
}

function order(module, when, values) {
  const set = {
    JobParameters: {
      Parameter: Object.entries(values).map(([name, value]) => ({Name: name, Value1: value})),
    },
    TaskContainerGuid: module,
    Type: 'Module',
  };
  return {
    Description: given.DESCRIPTION,
    Parameters: {ParameterSet: [set]},
    What: {JobWhat: [{ID: module, Type: 'Module'}]},
    When: when,
    Who: {JobWho: [{ID: given.AGENT, Type: 'Agent'}]},
  };
}

async function main() {
  const scheduling = await client(given.SCHEDULING_WSDL, given.PASSWORD);
  const resources = await client(given.RESOURCES_WSDL, given.PASSWORD);
  const of = (service) => async (name, args = {}) => {
    const [answer] = await service[`${name}Async`](args);
    return answer[`${name}Result`];
  };
  const schedule = of(scheduling);
  const store = of(resources);
  let job;
  let resource;

  async function fault(step, id, call = schedule) {
    try {
      await call('GetJob', {jobId: id});
    } catch (error) {
      const told = error.root.Envelope.Body.Fault;
      const soap12 = told.Code !== undefined;
      tell(step, 'code', soap12 ? told.Code.Value : told.faultcode);
      tell(step, 'text', soap12 ? told.Reason.Text.$value || told.Reason.Text : told.faultstring);
      const detail = (soap12 ? told.Detail : told.detail).DispatcherFault;
      for (const name of ['Code', 'Message', 'RequestId']) tell(step, name, detail[name]);
    }
  }

  const steps = {
    'modules': async () => listing('modules', (await schedule('GetModules')).JobWhat),
    'projects': async () => listing('projects', (await schedule('GetProjects')).JobWhat),
    'runbooks': async () => listing('runbooks', (await schedule('GetRunBooks')).JobWhat),
    'agents': async () => listing('agents', (await schedule('GetWho', {agents: true})).JobWho),
    'teams': async () => listing('teams', (await schedule('GetWho', {teams: true})).JobWho),
    'inputs': async () => parameters('inputs',
      await schedule('GetInputParameters', {whatType: 'Module', whatId: given.MODULE})),
    'outputs': async () => parameters('outputs',
      await schedule('GetOutputParameters', {whatType: 'Module', whatId: given.MODULE})),
    'schedule': async () => {
      // A Date within an object would be sent empty: users send its text.
      const when = {
        Immediate: false,
        IsLocalTime: false,
        ScheduledDateTime: new Date(given.START).toISOString(),
      };
      const values = {
        Title: given.TITLE, Size: 'L', Note: given.NOTE, Empty: '', Secret: given.SECRET,
      };
      const made = await schedule('ScheduleJob', {job: order(given.MODULE, when, values)});
      job = made.JobID;
      tell('schedule', 'id', job);
      tell('schedule', 'status', made.Status.Type);
      tell('schedule', 'invoker', made.Status.JobInvoker);
    },
    'get': async () => {
      const found = await schedule('GetJob', {jobId: job});
      tell('get', 'description', found.Description);
      if (!(found.When.ScheduledDateTime instanceof Date)) throw new Error('the date is no Date');
      tell('get', 'start', found.When.ScheduledDateTime.toISOString().replace('.000Z', '+00:00'));
      tell('get', 'status', found.Status.Type);
      tell('get', 'immediate', found.When.Immediate);
      for (const one of list(found.What.JobWhat)) {
        tell('get', 'what', `${one.ID}|${one.Type}|${one.Name}`);
      }
      for (const one of list(found.Who.JobWho)) {
        tell('get', 'who', `${one.ID}|${one.Type}|${one.Name}`);
      }
      for (const one of list(list(found.Parameters.ParameterSet)[0].JobParameters.Parameter)) {
        tell('get', 'parameter', `${one.Name}|${one.Type}|${text(one.Value1)}`);
      }
    },
    'page': async () => {
      for (const [number, key] of [[1, 'first'], [2, 'second']]) {
        const page = await schedule('GetJobs', {stage: 'Scheduled', page: number, pageSize: 2});
        tell('page', 'current', page.CurrentPage);
        tell('page', 'pages', page.PageCount);
        for (const one of list(page.Items.Job)) tell('page', key, one.JobID);
      }
    },
    'abort': async () => {
      const status = await schedule('AbortJob', {jobId: job, status: {Type: 'Aborting'}});
      tell('abort', 'id', job);
      tell('abort', 'status', status.Type);
    },
    'results': async () => {
      const asked = {jobId: given.FINISHED, includeOverview: true, includeDetailed: true};
      const found = await schedule('ExportJobResults', asked);
      tell('results', 'text', Buffer.from(found.Xml, 'base64').toString('utf16le'));
    },
    'teamsreport': async () => {
      for (const team of list((await schedule('GetTeamsReport')).TeamReport)) {
        tell('teamsreport', 'team', `${team.ID}|${team.Name}`);
        for (const agent of list(team.Agents && team.Agents.TeamAgent)) {
          tell('teamsreport', 'agent', `${team.Name}|${agent.Name}|${agent.Online}`);
        }
      }
    },
    'usage': async () => {
      const asked = {start: '20200101000000', stop: '20991231235959'};
      for (const one of list((await schedule('GetJobUsageReport', asked)).JobUsage)) {
        const start = one.StartDateTime.toISOString().replace('Z', '+00:00');
        tell('usage', 'job', [
          one.JobID, one.Description, one.Status, start, one.DurationSeconds, one.Agents,
        ].join('|'));
      }
    },
    'runbookjobs': async () => {
      for (const one of list((await schedule('GetRunBookJobs', {jobId: given.BOOK})).Job)) {
        tell('runbookjobs', 'job', `${one.JobID}|${one.Description}|${one.Status.Type}`);
      }
    },
    'membership': async () => {
      const team = {Name: given.TEAM, Type: 'Team'};
      const agent = {Name: given.MEMBER, Type: 'Agent'};
      const put = await schedule('ModifyAgentMembership',
        {membership: {AddTo: {JobWho: [team]}, Agent: agent}});
      for (const one of list(put.MemberOf.JobWho)) tell('membership', 'memberof', one.Name);
      const taken = await schedule('ModifyTeamMembership',
        {membership: {Remove: {JobWho: [agent]}, Team: team}});
      tell('membership', 'team', taken.Team.Name);
      for (const one of list(taken.Members && taken.Members.JobWho)) {
        tell('membership', 'member', one.Name);
      }
    },
    'remove': async () => {
      const agent = {Name: given.SPARE, Type: 'Agent'};
      tell('remove', 'name', (await schedule('RemoveAgent', {removal: {Agent: agent}})).Agent.Name);
    },
    'upload': async () => {
      const stored = await store('UploadResource', {
        filename: 'file.bin',
        name: given.RESOURCE,
        content: fs.readFileSync(given.FILE).toString('base64'),
      });
      resource = stored.ID;
      tell('upload', 'id', resource);
      tell('upload', 'name', stored.Name);
      tell('upload', 'size', stored.Size);
      tell('upload', 'sha256', stored.Sha256);
    },
    'download': async () => {
      const wanted = order(given.FETCHING, {Immediate: true}, {Resource: given.RESOURCE});
      const id = (await schedule('ScheduleJob', {job: wanted})).JobID;
      let status;
      for (let tries = 0; tries < 600 && !FINAL.includes(status); tries++) {
        await pause(100);
        status = (await schedule('GetJob', {jobId: id})).Status.Type;
      }
      tell('download', 'id', id);
      tell('download', 'status', status);
    },
    'delete': async () => tell('delete', 'id', (await store('DeleteResource', {guid: resource})).ID),
    'wrong-password': async () => {
      const stranger = of(await client(given.SCHEDULING_WSDL, 'wrong'));
      await fault('wrong-password', given.UNKNOWN, stranger);
    },
    'unknown-id': () => fault('unknown-id', given.UNKNOWN),
    'malformed': () => fault('malformed', 'no guid'),
  };
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
    } catch (error) {
      console.error(error);
      tell(name, 'failed', `${error.name}: ${String(error.message).slice(0, 500)}`);
    }
  }
}

main();
