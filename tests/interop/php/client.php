<?php
// Every operation through ext-soap, as its users write it: arrays in, objects out.
declare(strict_types=1);

function given(string $name): string
{
    return (string) getenv($name);
}

function tell(string $step, string $key, $value): void
{
    $text = strtr((string) $value, ['\\' => '\\\\', "\n" => '\\n', "\r" => '\\r', "\t" => '\\t']);
    echo "$step\t$key\t$text\n";
}

function client(string $wsdl, string $password): SoapClient
{
    return new SoapClient($wsdl, [
        'login' => given('LOGIN'),
        'password' => $password,
        'soap_version' => given('VERSION') === '1.2' ? SOAP_1_2 : SOAP_1_1,
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
        'exceptions' => true,
        'keep_alive' => true,
    ]);
}

function utc(string $dateTime): string
{
    // ext-soap hands dates over as they were written.
    return (new DateTimeImmutable($dateTime))->setTimezone(new DateTimeZone('UTC'))->format(DATE_ATOM);
}

function order(string $module, array $when, array $values): array
{
    $parameters = [];
    foreach ($values as $name => $value) {
        $parameters[] = ['Name' => $name, 'Value1' => $value];
    }
    return [
        'Description' => given('DESCRIPTION'),
        'When' => $when,
        'What' => ['JobWhat' => [['ID' => $module, 'Type' => 'Module']]],
        'Who' => ['JobWho' => [['ID' => given('AGENT'), 'Type' => 'Agent']]],
        'Parameters' => ['ParameterSet' => [[
            'Type' => 'Module',
            'TaskContainerGuid' => $module,
            'JobParameters' => ['Parameter' => $parameters],
        ]]],
    ];
}

function listing(string $step, array $items): void
{
    foreach ($items as $one) {
        tell($step, 'item', "$one->ID|$one->Type|$one->Name");
    }
}

function parameters(string $step, object $set): void
{
    tell($step, 'set', "$set->Type|$set->TaskContainerGuid|$set->TaskContainerName");
    foreach ($set->JobParameters->Parameter as $one) {
        $parts = [$one->Name, $one->Type, $one->Value1, $one->Value2, $one->Value3, $one->Hint];
        tell($step, 'parameter', implode('|', $parts));
    }
}

function fault(string $step, SoapClient $scheduling, string $job): void
{
    try {
        $scheduling->GetJob(['jobId' => $job]);
    } catch (SoapFault $fault) {
        tell($step, 'code', $fault->faultcode);
        tell($step, 'text', $fault->faultstring);
        foreach ($fault->detail->DispatcherFault as $name => $value) {
            tell($step, $name, $value);
        }
    }
}

$scheduling = client(given('SCHEDULING_WSDL'), given('PASSWORD'));
$resources = client(given('RESOURCES_WSDL'), given('PASSWORD'));
$job = null;
$resource = null;

$steps = [
    'modules' => fn () => listing('modules', $scheduling->GetModules()->GetModulesResult->JobWhat),
    'projects' => fn () => listing('projects', $scheduling->GetProjects()->GetProjectsResult->JobWhat),
    'runbooks' => fn () => listing('runbooks', $scheduling->GetRunBooks()->GetRunBooksResult->JobWhat),
    'agents' => fn () => listing('agents', $scheduling->GetWho(['agents' => true])->GetWhoResult->JobWho),
    'teams' => fn () => listing('teams', $scheduling->GetWho(['teams' => true])->GetWhoResult->JobWho),
    'inputs' => fn () => parameters('inputs', $scheduling->GetInputParameters(
        ['whatType' => 'Module', 'whatId' => given('MODULE')]
    )->GetInputParametersResult),
    'outputs' => fn () => parameters('outputs', $scheduling->GetOutputParameters(
        ['whatType' => 'Module', 'whatId' => given('MODULE')]
    )->GetOutputParametersResult),
    'schedule' => function () use ($scheduling, &$job) {
        $start = (new DateTimeImmutable(given('START')))->format(DATE_ATOM);
        $when = ['ScheduledDateTime' => $start, 'Immediate' => false, 'IsLocalTime' => false];
        $values = ['Title' => given('TITLE'), 'Size' => 'L', 'Note' => given('NOTE'), 'Empty' => '',
            'Secret' => given('SECRET')];
        $made = $scheduling->ScheduleJob(['job' => order(given('MODULE'), $when, $values)])
            ->ScheduleJobResult;
        $job = $made->JobID;
        tell('schedule', 'id', $job);
        tell('schedule', 'status', $made->Status->Type);
        tell('schedule', 'invoker', $made->Status->JobInvoker);
    },
    'get' => function () use ($scheduling, &$job) {
        $found = $scheduling->GetJob(['jobId' => $job])->GetJobResult;
        tell('get', 'description', $found->Description);
        tell('get', 'start', utc($found->When->ScheduledDateTime));
        tell('get', 'status', $found->Status->Type);
        tell('get', 'immediate', json_encode($found->When->Immediate));
        foreach ($found->What->JobWhat as $one) {
            tell('get', 'what', "$one->ID|$one->Type|$one->Name");
        }
        foreach ($found->Who->JobWho as $one) {
            tell('get', 'who', "$one->ID|$one->Type|$one->Name");
        }
        foreach ($found->Parameters->ParameterSet[0]->JobParameters->Parameter as $one) {
            tell('get', 'parameter', "$one->Name|$one->Type|$one->Value1");
        }
    },
    'page' => function () use ($scheduling) {
        foreach ([1 => 'first', 2 => 'second'] as $number => $key) {
            $asked = ['stage' => 'Scheduled', 'page' => $number, 'pageSize' => 2];
            $page = $scheduling->GetJobs($asked)->GetJobsResult;
            tell('page', 'current', $page->CurrentPage);
            tell('page', 'pages', $page->PageCount);
            foreach ($page->Items->Job as $one) {
                tell('page', $key, $one->JobID);
            }
        }
    },
    'abort' => function () use ($scheduling, &$job) {
        $status = $scheduling->AbortJob(['jobId' => $job, 'status' => ['Type' => 'Aborting']])
            ->AbortJobResult;
        tell('abort', 'id', $job);
        tell('abort', 'status', $status->Type);
    },
    'results' => function () use ($scheduling) {
        $asked = ['jobId' => given('FINISHED'), 'includeOverview' => true, 'includeDetailed' => true];
        $document = $scheduling->ExportJobResults($asked)->ExportJobResultsResult->Xml;
        tell('results', 'text', utf8($document));
    },
    'teamsreport' => function () use ($scheduling) {
        foreach ($scheduling->GetTeamsReport()->GetTeamsReportResult->TeamReport as $team) {
            tell('teamsreport', 'team', "$team->ID|$team->Name");
            foreach ($team->Agents->TeamAgent ?? [] as $agent) {
                tell('teamsreport', 'agent', "$team->Name|$agent->Name|" . json_encode($agent->Online));
            }
        }
    },
    'usage' => function () use ($scheduling) {
        $asked = ['start' => '20200101000000', 'stop' => '20991231235959'];
        foreach ($scheduling->GetJobUsageReport($asked)->GetJobUsageReportResult->JobUsage as $one) {
            $seconds = $one->DurationSeconds ?? '';
            $told = [$one->JobID, $one->Description, $one->Status, utc($one->StartDateTime), $seconds,
                $one->Agents];
            tell('usage', 'job', implode('|', $told));
        }
    },
    'runbookjobs' => function () use ($scheduling) {
        $found = $scheduling->GetRunBookJobs(['jobId' => given('BOOK')])->GetRunBookJobsResult;
        foreach ($found->Job as $one) {
            tell('runbookjobs', 'job', "$one->JobID|$one->Description|{$one->Status->Type}");
        }
    },
    'membership' => function () use ($scheduling) {
        $team = ['Name' => given('TEAM'), 'Type' => 'Team'];
        $agent = ['Name' => given('MEMBER'), 'Type' => 'Agent'];
        $put = $scheduling->ModifyAgentMembership(
            ['membership' => ['Agent' => $agent, 'AddTo' => ['JobWho' => [$team]]]]
        )->ModifyAgentMembershipResult;
        foreach ($put->MemberOf->JobWho as $one) {
            tell('membership', 'memberof', $one->Name);
        }
        $taken = $scheduling->ModifyTeamMembership(
            ['membership' => ['Team' => $team, 'Remove' => ['JobWho' => [$agent]]]]
        )->ModifyTeamMembershipResult;
        tell('membership', 'team', $taken->Team->Name);
        foreach ($taken->Members->JobWho ?? [] as $one) {
            tell('membership', 'member', $one->Name);
        }
    },
    'remove' => function () use ($scheduling) {
        $agent = ['Name' => given('SPARE'), 'Type' => 'Agent'];
        $gone = $scheduling->RemoveAgent(['removal' => ['Agent' => $agent]])->RemoveAgentResult;
        tell('remove', 'name', $gone->Agent->Name);
    },
    'upload' => function () use ($resources, &$resource) {
        $stored = $resources->UploadResource([
            'filename' => 'file.bin',
            'name' => given('RESOURCE'),
            'content' => file_get_contents(given('FILE')),
        ])->UploadResourceResult;
        $resource = $stored->ID;
        tell('upload', 'id', $resource);
        tell('upload', 'name', $stored->Name);
        tell('upload', 'size', $stored->Size);
        tell('upload', 'sha256', $stored->Sha256);
    },
    'download' => function () use ($scheduling) {
        $wanted = order(given('FETCHING'), ['Immediate' => true], ['Resource' => given('RESOURCE')]);
        $id = $scheduling->ScheduleJob(['job' => $wanted])->ScheduleJobResult->JobID;
        $end = time() + 60;
        do {
            usleep(100000);
            $status = $scheduling->GetJob(['jobId' => $id])->GetJobResult->Status->Type;
        } while (in_array($status, ['Scheduled', 'Active', 'Aborting'], true) && time() < $end);
        tell('download', 'id', $id);
        tell('download', 'status', $status);
    },
    'delete' => function () use ($resources, &$resource) {
        $gone = $resources->DeleteResource(['guid' => $resource])->DeleteResourceResult;
        tell('delete', 'id', $gone->ID);
    },
    'wrong-password' => fn () => fault(
        'wrong-password',
        client(given('SCHEDULING_WSDL'), 'wrong'),
        given('UNKNOWN')
    ),
    'unknown-id' => fn () => fault('unknown-id', $scheduling, given('UNKNOWN')),
    'malformed' => fn () => fault('malformed', $scheduling, 'no guid'),
];

function utf8(string $document): string
{
    return (string) iconv('UTF-16LE', 'UTF-8', $document);
}

foreach ($steps as $name => $step) {
    try {
        $step();
    } catch (Throwable $error) {
        tell($name, 'failed', get_class($error) . ': ' . $error->getMessage());
    }
}
