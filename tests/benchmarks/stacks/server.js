// GetJob and ScheduleJob on the npm package "soap": node server.js WSDL JOB.json
'use strict';

const {readFileSync} = require('fs');
const http = require('http');
const {randomUUID} = require('crypto');
const soap = require('soap');

const [wsdl, job] = process.argv.slice(2).map((path) => readFileSync(path, 'utf8'));
const stored = JSON.parse(job);
const jobs = new Map([[stored.JobID, stored]]);
const login = `${process.env.MEASURED_NAME}:${process.env.MEASURED_PASSWORD}`;
const authorization = `Basic ${Buffer.from(login).toString('base64')}`;

const operations = {
  GetJob({jobId}) {
    const found = jobs.get(jobId);
    if (found === undefined) {
      throw {Fault: {faultcode: 'soap:Client', faultstring: `there is no job ${jobId}`}};
    }
    return {GetJobResult: found};
  },

  // As the gateway answers it: with an id and a status, without the parameters.
  ScheduleJob({job}) {
    // It reads a dateTime as a Date, and would write an empty element for one.
    const due = job.When.ScheduledDateTime.toISOString();
    return {
      ScheduleJobResult: {
        Description: job.Description,
        JobID: `{${randomUUID().toUpperCase()}}`,
        Parameters: {},
        ScheduleInParallel: false,
        Status: {
          JobInvoker: 'InvokeUser',
          JobInvokerInfo: 'admin',
          StartDateTime: due,
          Type: 'Scheduled',
        },
        What: job.What,
        When: {...job.When, ScheduledDateTime: due},
        Who: job.Who,
      },
    };
  },
};

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const service = soap.listen(server, {
    path: '/Dispatcher/SchedulingService/soap',
    services: {SchedulingService: {SchedulingServiceSoap11: operations}},
    xml: wsdl,
    // One write with its length, rather than pieces: that makes it faster.
    enableChunkedEncoding: false,
    callback: () => console.log(`listening on port ${server.address().port}`),
  });
  service.authorizeConnection = (request, response) => {
    const known = request.headers.authorization === authorization;
    if (!known) {
      response.statusCode = 401;
    }
    return known;
  };
});
